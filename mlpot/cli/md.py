"""`mlpot md`: molecular dynamics from the structure in a file, with a progress bar and a table of the result."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.console import Console
from rich.table import Table

from mlpot.cli.options import Device, ModelName, PrecisionOption, print_engine
from mlpot.running.progress import progress_bar

if TYPE_CHECKING:
    from mlpot.calculator import MLPotCalculator
    from mlpot.simulation import MDResult, MDSettings


def md(
    model: ModelName,
    source: Annotated[Path, typer.Argument(help="structure: any file that ASE reads, the last frame is used")],
    steps: Annotated[int, typer.Option(help="steps of the whole run, with those before a restart")],
    trajectory: Annotated[Path, typer.Option(help=".xyz or .traj; log and checkpoint are named after it")],
    ensemble: Annotated[str, typer.Option(help="nve, nvt or npt")] = "nvt",
    temperature: Annotated[float | None, typer.Option(help="K")] = None,
    pressure: Annotated[float, typer.Option(help="GPa, for npt")] = 0.0,
    timestep: Annotated[float, typer.Option(help="fs")] = 1.0,
    thermostat_time: Annotated[float, typer.Option(help="fs")] = 100.0,
    barostat_time: Annotated[float, typer.Option(help="fs")] = 1000.0,
    interval: Annotated[int, typer.Option(help="steps between frames")] = 10,
    seed: Annotated[int, typer.Option(help="of velocities and thermostat")] = 0,
    restart: Annotated[bool, typer.Option("--restart", help="continue the run that wrote the trajectory")] = False,
    keep_lost_atoms: Annotated[
        bool, typer.Option("--keep-lost-atoms", help="do not stop at an atom without neighbors")
    ] = False,
    max_sigma: Annotated[float | None, typer.Option(help="stop above this error bar of a force, eV/A")] = None,
    device: Device = "cpu",
    precision: PrecisionOption = None,
) -> None:
    """Run molecular dynamics; Ctrl-C ends it cleanly with status 130, --restart continues."""
    import mlpot
    from mlpot.simulation import MDSettings

    calculator = mlpot.load(model, device=device, precision=cast(Any, precision))
    lost_distance = None if keep_lost_atoms else calculator.manifest.cutoff
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
    result = md_file(calculator, source, trajectory, settings, Console(), restart=restart)
    raise typer.Exit(130 if result.interrupted else 0)


def md_file(
    calculator: "MLPotCalculator",
    source: Path,
    trajectory: Path,
    settings: "MDSettings",
    console: Console,
    *,
    restart: bool = False,
) -> "MDResult":
    """Run molecular dynamics from the last structure of a file, print a table."""
    from mlpot.simulation import read_structure, run_md

    print_engine(calculator, console)
    atoms = read_structure(source)
    atoms.calc = calculator
    with progress_bar(console, settings.ensemble, settings.steps) as update:
        result = run_md(atoms, settings, trajectory, restart=restart, on_step=lambda step: update(completed=step))
    console.print(md_table(result))
    if result.interrupted:
        console.print(f"stopped at step {result.steps} of {settings.steps}; to continue, add --restart")
    return result


def md_table(result: "MDResult") -> Table:
    """Table of a molecular dynamics run."""
    table = Table(title="molecular dynamics", show_header=False)
    table.add_row("steps", str(result.steps))
    table.add_row("mean temperature", f"{result.temperature:.1f} K")
    if result.atoms.pbc.all():
        table.add_row("mean pressure", f"{result.pressure:.3f} GPa")
        table.add_row("mean volume", f"{result.volume:.2f} A^3")
    table.add_row("drift of the conserved energy", f"{result.energy_drift:.2e} eV/atom/ps")
    table.add_row("speed", f"{result.rate:.0f} atoms*steps/s")
    table.add_row("frames", str(result.trajectory))
    table.add_row("log", str(result.log))
    return table
