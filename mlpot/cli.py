"""The `mlpot` command: each function is one command; the logic lives in the modules it calls."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mlpot.errors import MLPotError


class _Commands(TyperGroup):
    """Ends with one clear sentence and status 1 where the user can mend what is wrong."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401  # its type moves between versions of typer
        try:
            return super().invoke(ctx)
        except MLPotError as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(1) from error


app = typer.Typer(cls=_Commands, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__.split(":")[0])


@app.command()
def train(
    source: Annotated[Path | None, typer.Argument(help="YAML configuration, folder of a run, or a data file")] = None,
    preset: Annotated[str | None, typer.Option(help="fast, accurate or max")] = None,
    output: Annotated[Path | None, typer.Option(help="folder of the results")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda")] = None,
    settings: Annotated[list[str], typer.Option("--set", help="section.key=value, e.g. training.lr=0.005")] = [],  # noqa: B006  # typer copies it
    resume: Annotated[bool, typer.Option("--resume", help="go on from the checkpoint in the output folder")] = False,
    max_time: Annotated[str | None, typer.Option(help="stop after this time with a checkpoint, e.g. 30m")] = None,
    example: Annotated[bool, typer.Option("--example", help="print a commented configuration")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v")] = False,
) -> None:
    """Train a potential on reference data; status 75 where it stopped before the end."""
    from mlpot import config_file, tuned_process  # noqa: PLC0415  # each command loads only what it needs

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
def build_torch_engine() -> None:
    """Compile the engine that lets LAMMPS run models with the torch of this environment; needed once."""
    from mlpot import torch_engine  # noqa: PLC0415  # each command loads only what it needs

    typer.echo("compiling, about a minute ...")
    typer.echo(f"ready: {torch_engine.build()}")


@app.command()
def quickstart(
    output: Annotated[Path, typer.Option(help="folder of all results")] = Path("quickstart"),
    budget: Annotated[str, typer.Option(help="time for the training, e.g. 4m")] = "4m",
) -> None:
    """Train a silicon potential on the shipped DFT data, use it in ASE and LAMMPS, and write a report."""
    from mlpot import tuned_process  # noqa: PLC0415  # each command loads only what it needs

    tuned_process.restart_tuned(verbose=False)
    from rich.console import Console  # noqa: PLC0415

    from mlpot.config import parse_duration  # noqa: PLC0415
    from mlpot.quickstart import run_quickstart  # noqa: PLC0415

    run_quickstart(output, parse_duration(budget), Console())
