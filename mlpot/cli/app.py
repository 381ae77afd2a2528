"""The `mlpot` command: each function is one command; the logic lives in the modules it calls."""

import json
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from typer.core import TyperGroup

from mlpot.cli.active import active_app
from mlpot.cli.error_bars import calibrate, committee_app, ood
from mlpot.errors import MLPotError


class _Commands(TyperGroup):
    """Ends with one clear sentence and status 1 where the user can mend what is wrong."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401  # its type moves between versions of typer
        try:
            return super().invoke(ctx)
        except MLPotError as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(1) from error


Device = Annotated[str, typer.Option(help="cpu or cuda")]
PrecisionOption = Annotated[str | None, typer.Option(help="mixed or double; by default what the model was trained in")]

app = typer.Typer(cls=_Commands, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__.split(":")[0])


@app.command()
def train(
    source: Annotated[Path | None, typer.Argument(help="YAML configuration, folder of a run, or a data file")] = None,
    preset: Annotated[str | None, typer.Option(help="fast, balanced, accurate or max")] = None,
    output: Annotated[Path | None, typer.Option(help="folder of the results")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda")] = None,
    settings: Annotated[list[str], typer.Option("--set", help="section.key=value, e.g. training.lr=0.005")] = [],  # noqa: B006  # typer copies it
    resume: Annotated[bool, typer.Option("--resume", help="go on from the checkpoint in the output folder")] = False,
    max_time: Annotated[str | None, typer.Option(help="stop after this time with a checkpoint, e.g. 30m")] = None,
    example: Annotated[bool, typer.Option("--example", help="print a commented configuration")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v")] = False,
) -> None:
    """Train a potential on reference data; status 75 where it stopped before the end."""
    from mlpot.config import yaml as config_file  # noqa: PLC0415  # each command loads only what it needs
    from mlpot.running import tuned_process  # noqa: PLC0415  # each command loads only what it needs

    if example:
        typer.echo(config_file.example_config(), nl=False)
        return
    tuned_process.restart_tuned(verbose)
    from mlpot.training.launch import train_command  # noqa: PLC0415  # torch, after the restart

    options: dict[str, dict[str, object]] = {"model": {"preset": preset}, "run": {"output": output, "device": device}}
    raise typer.Exit(train_command(source, options, settings, resume=resume, max_time=max_time))


@app.command()
def schema() -> None:
    """Print the JSON schema of a training configuration."""
    from mlpot.config import TrainConfig  # noqa: PLC0415  # each command loads only what it needs

    typer.echo(json.dumps(TrainConfig.model_json_schema(), indent=1))


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(help="model.pt, or the name of a shipped potential")],
    data: Annotated[Path, typer.Argument(help="labelled structures: extended XYZ, ASE database, ...")],
    json_path: Annotated[Path | None, typer.Option("--json", help="write all errors to this file")] = None,
    plot: Annotated[Path | None, typer.Option(help="draw predictions against labels, PNG")] = None,
    device: Device = "cpu",
    precision: PrecisionOption = None,
) -> None:
    """Compare a model with labelled data: errors by label, element and config_type."""
    from mlpot.evaluation import evaluate_file  # noqa: PLC0415  # each command loads only what it needs
    from mlpot.model_file.registry import find_potential  # noqa: PLC0415

    path = find_potential(model)
    evaluate_file(path, data, device=device, precision=cast(Any, precision), json_path=json_path, plot=plot)


@app.command()
def info(
    model: Annotated[str, typer.Argument(help="model.pt, or the name of a shipped potential")],
    as_json: Annotated[bool, typer.Option("--json", help="the manifest as it is")] = False,
) -> None:
    """Check a model file and print what it is and what it was trained on."""
    from mlpot.cli.info import print_info  # noqa: PLC0415  # each command loads only what it needs
    from mlpot.model_file.registry import find_potential  # noqa: PLC0415

    print_info(find_potential(model), as_json=as_json)


@app.command()
def relax(
    model: Annotated[str, typer.Argument(help="model.pt, or the name of a shipped potential")],
    source: Annotated[Path, typer.Argument(help="structure: anything ASE reads, the last frame counts")],
    target: Annotated[Path, typer.Argument(help="where to write the relaxed structure")],
    fmax: Annotated[float, typer.Option(help="largest force that may remain, eV/A")] = 0.01,
    cell: Annotated[bool, typer.Option("--cell", help="relax the cell too")] = False,
    pressure: Annotated[float, typer.Option(help="external pressure, GPa; with --cell")] = 0.0,
    optimizer: Annotated[str, typer.Option(help="lbfgs, bfgs or fire")] = "lbfgs",
    steps: Annotated[int, typer.Option(help="at most")] = 500,
    device: Device = "cpu",
    precision: PrecisionOption = None,
) -> None:
    """Relax a structure; status 1 where it does not converge."""
    import mlpot  # noqa: PLC0415  # each command loads only what it needs
    from mlpot.simulation.terminal import relax_file  # noqa: PLC0415

    calculator = mlpot.load(model, device=device, precision=cast(Any, precision))
    options: dict[str, Any] = {"fmax": fmax, "cell": cell, "pressure": pressure, "optimizer": optimizer}
    raise typer.Exit(not relax_file(calculator, source, target, steps=steps, **options).converged)


@app.command()
def md(
    model: Annotated[str, typer.Argument(help="model.pt, or the name of a shipped potential")],
    source: Annotated[Path, typer.Argument(help="structure: anything ASE reads, the last frame counts")],
    steps: Annotated[int, typer.Option(help="steps of the whole run")],
    trajectory: Annotated[Path, typer.Option(help=".xyz or .traj; log and checkpoint are named after it")],
    ensemble: Annotated[str, typer.Option(help="nve, nvt or npt")] = "nvt",
    temperature: Annotated[float | None, typer.Option(help="K")] = None,
    pressure: Annotated[float, typer.Option(help="GPa, for npt")] = 0.0,
    timestep: Annotated[float, typer.Option(help="fs")] = 1.0,
    thermostat_time: Annotated[float, typer.Option(help="fs")] = 100.0,
    barostat_time: Annotated[float, typer.Option(help="fs")] = 1000.0,
    interval: Annotated[int, typer.Option(help="steps between frames")] = 10,
    seed: Annotated[int, typer.Option(help="of velocities and thermostat")] = 0,
    restart: Annotated[bool, typer.Option("--restart", help="go on with the run that wrote the trajectory")] = False,
    keep_lost_atoms: Annotated[bool, typer.Option("--keep-lost-atoms", help="atoms may leave all others")] = False,
    max_sigma: Annotated[float | None, typer.Option(help="stop above this error bar of a force, eV/A")] = None,
    device: Device = "cpu",
    precision: PrecisionOption = None,
) -> None:
    """Run molecular dynamics; Ctrl-C ends it cleanly with status 130, --restart goes on."""
    import mlpot  # noqa: PLC0415  # each command loads only what it needs
    from mlpot.simulation import MDSettings  # noqa: PLC0415
    from mlpot.simulation.terminal import md_file  # noqa: PLC0415

    calculator = mlpot.load(model, device=device, precision=cast(Any, precision))
    lost_distance = None if keep_lost_atoms else calculator.model.manifest.cutoff
    times: dict[str, Any] = {"timestep": timestep, "thermostat_time": thermostat_time, "barostat_time": barostat_time}
    settings = MDSettings(
        cast(Any, ensemble),
        steps,
        temperature=temperature,
        pressure=pressure,
        interval=interval,
        seed=seed,
        lost_distance=lost_distance,
        max_sigma=max_sigma,
        **times,
    )
    raise typer.Exit(130 if md_file(calculator, source, trajectory, settings, restart=restart).interrupted else 0)


@app.command()
def benchmark(
    models: Annotated[list[str], typer.Argument(help="model.pt, or names of shipped potentials; else presets")] = [],  # noqa: B006
    preset: Annotated[list[str], typer.Option(help="untrained: fast, balanced, accurate, max; by default all")] = [],  # noqa: B006
    elements: Annotated[str, typer.Option(help="of a crystal, e.g. Si or H,O")] = "",
    structure: Annotated[Path | None, typer.Option(help="instead of a crystal; anything ASE reads")] = None,
    atoms: Annotated[list[int], typer.Option(help="about; default 4096")] = [],  # noqa: B006
    engine: Annotated[list[str], typer.Option(help="native, torch; by default both")] = [],  # noqa: B006
    precision: PrecisionOption = None,
    ranks: Annotated[list[int], typer.Option(help="MPI processes of LAMMPS; default 1")] = [],  # noqa: B006
    threads: Annotated[list[int], typer.Option(help="of each process; default 1")] = [],  # noqa: B006
    peers: Annotated[list[str], typer.Option(help="sw, tersoff, snap-2j8, mace-medium, ..., all, none")] = [],  # noqa: B006
    rounds: Annotated[int, typer.Option(help="samples of everything, interleaved")] = 5,
    seconds: Annotated[float, typer.Option(help="length of a sample, about")] = 1.0,
    memory: Annotated[bool, typer.Option("--memory", help="measure memory, too")] = False,
    scaling: Annotated[bool, typer.Option("--scaling", help="500 to 500,000 atoms; 2 ranks and threads")] = False,
    json_path: Annotated[Path | None, typer.Option("--json", help="write all samples to this file")] = None,
    plot: Annotated[Path | None, typer.Option(help="draw the result, PNG")] = None,
) -> None:
    """Measure what a step of molecular dynamics costs, in LAMMPS and ASE, beside other potentials."""
    from mlpot.benchmark.settings import Settings  # noqa: PLC0415
    from mlpot.cli.benchmark import run_benchmark  # noqa: PLC0415  # each command loads only what it needs

    symbols = [symbol.strip() for symbol in elements.split(",") if symbol.strip()]
    system: dict[str, Any] = {"elements": symbols, "structure": structure, "atoms": atoms}
    engines: dict[str, Any] = {"engines": engine, "precision": precision, "ranks": ranks, "threads": threads}
    how: dict[str, Any] = {"rounds": rounds, "seconds": seconds, "memory": memory, "scaling": scaling}
    settings = Settings(models=models, presets=preset, peers=peers, **system, **engines, **how)
    raise typer.Exit(run_benchmark(settings, json_path=json_path, plot=plot))


@app.command()
def properties(
    model: Annotated[str, typer.Argument(help="model.pt, or the name of a shipped potential")],
    structure: Annotated[str, typer.Option(help="a file, or FORMULA:PROTOTYPE:LATTICE_CONSTANT as in Si:diamond:5.43")],
    output: Annotated[Path, typer.Option(help="folder of the results")] = Path("properties"),
    only: Annotated[list[str], typer.Option(help="e.g. elastic; may be given several times")] = [],  # noqa: B006  # typer copies it
    device: Device = "cpu",
) -> None:
    """Compute what a potential says of a crystal: lattice, elasticity, phonons, vacancies, surfaces, dimers."""
    import mlpot  # noqa: PLC0415  # each command loads only what it needs
    from mlpot.cli.properties import run_properties  # noqa: PLC0415

    run_properties(mlpot.load(model, device=device, precision="double"), structure, output, only=only)


Structures = Annotated[list[str], typer.Option("--structure", help="a file, or e.g. Si:diamond:5.43; several too")]
Stable = Annotated[bool, typer.Option("--stable", help="structures are stable at 0 K: phonons must be real")]


@app.command()
def check(
    model: Annotated[str, typer.Argument(help="model.pt, or the name of a shipped potential")],
    structures: Structures = [],  # noqa: B006  # typer copies it
    output: Annotated[Path, typer.Option(help="folder of the results")] = Path("check"),
    stable: Stable = False,
    time: Annotated[float, typer.Option(help="of the dynamics at twice the melting point, ps")] = 20.0,
    starts: Annotated[int, typer.Option(help="random structures that are relaxed")] = 300,
    full: Annotated[bool, typer.Option("--full", help="100 ps and 2000 random structures")] = False,
    melting_point: Annotated[float | None, typer.Option(help="K; by default that of the element")] = None,
) -> None:
    """Try a model before it is released: holes, derivatives, engines, dynamics; status 1 where a check fails."""
    from mlpot.model_file.registry import find_potential  # noqa: PLC0415
    from mlpot.validation import CheckSettings, run_check  # noqa: PLC0415  # each command loads only what it needs

    length: dict[str, Any] = {"time": 100.0, "starts": 2000} if full else {"time": time, "starts": starts}
    settings = CheckSettings(tuple(structures), stable, melting_point=melting_point, **length)
    try:
        verdicts = run_check(find_potential(model), settings, output)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    raise typer.Exit(any(verdict.status == "failed" for verdict in verdicts))


@app.command()
def doctor(as_json: Annotated[bool, typer.Option("--json", help="print a JSON list")] = False) -> None:
    """Examine this installation: what works, what does not, what mends it; status 1 where something is broken."""
    from mlpot.cli.doctor import report  # noqa: PLC0415  # each command loads only what it needs

    raise typer.Exit(not report(as_json=as_json))


@app.command()
def build_torch_engine() -> None:
    """Compile the engine that lets LAMMPS run models with the torch of this environment; needed once."""
    from mlpot.lammps.build_torch_engine import build  # noqa: PLC0415  # each command loads only what it needs

    typer.echo("compiling, about a minute ...")
    typer.echo(f"ready: {build()}")


@app.command()
def quickstart(
    output: Annotated[Path, typer.Option(help="folder of all results")] = Path("quickstart"),
    budget: Annotated[str, typer.Option(help="time for the training, e.g. 2m")] = "30s",
) -> None:
    """Train a silicon potential on the shipped DFT data, use it in ASE and LAMMPS, and write a report."""
    from mlpot.running import tuned_process  # noqa: PLC0415  # each command loads only what it needs

    tuned_process.restart_tuned(verbose=False)
    from rich.console import Console  # noqa: PLC0415

    from mlpot.cli.quickstart import run_quickstart  # noqa: PLC0415
    from mlpot.config import parse_duration  # noqa: PLC0415

    run_quickstart(output, parse_duration(budget), Console())


app.command()(calibrate)
app.command()(ood)
app.add_typer(committee_app, name="committee")
app.add_typer(active_app, name="active")

data_app = typer.Typer(no_args_is_help=True, help="Check and convert reference data.")
app.add_typer(data_app, name="data")
EnergyKey = Annotated[str | None, typer.Option(help="key of the energy, if not found by itself")]
ForcesKey = Annotated[str | None, typer.Option(help="key of the forces")]
StressKey = Annotated[str | None, typer.Option(help="key of the stress")]
VirialKey = Annotated[str | None, typer.Option(help="key of the virial")]
GroupKey = Annotated[str, typer.Option(help="key of the config_type")]


@data_app.command("check")
def data_check(
    files: Annotated[list[Path], typer.Argument(help="extended XYZ (also .xz, .gz), ASE database, ...; one data set")],
    energy_key: EnergyKey = None,
    forces_key: ForcesKey = None,
    stress_key: StressKey = None,
    virial_key: VirialKey = None,
    group_key: GroupKey = "config_type",
    strict: Annotated[bool, typer.Option("--strict", help="status 1 on warnings too")] = False,
) -> None:
    """Print what a data set holds and what is wrong with it; status 1 on errors."""
    from mlpot.cli.data import check_files  # noqa: PLC0415  # each command loads only what it needs

    keys = {"energy_key": energy_key, "forces_key": forces_key, "stress_key": stress_key, "virial_key": virial_key}
    raise typer.Exit(check_files(files, {**keys, "group_key": group_key}, strict=strict))


@data_app.command("convert")
def data_convert(
    source: Annotated[Path, typer.Argument(help="extended XYZ, ASE database, anything ASE reads")],
    target: Annotated[Path, typer.Argument(help="new ASE database, *.db")],
    energy_key: EnergyKey = None,
    forces_key: ForcesKey = None,
    stress_key: StressKey = None,
    virial_key: VirialKey = None,
    group_key: GroupKey = "config_type",
) -> None:
    """Write a data set to a database that training reads from disk: for sets larger than memory."""
    from mlpot.cli.data import convert  # noqa: PLC0415  # each command loads only what it needs

    keys = {"energy_key": energy_key, "forces_key": forces_key, "stress_key": stress_key, "virial_key": virial_key}
    store = convert(source, target, keys, group_key)
    typer.echo(f"{len(store)} structures in {target}")
