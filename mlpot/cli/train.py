"""`mlpot train` and `mlpot schema`: train a potential from a configuration."""

import json
from pathlib import Path
from typing import Annotated

import typer


def train(
    source: Annotated[Path | None, typer.Argument(help="YAML configuration, folder of a run, or a data file")] = None,
    preset: Annotated[str | None, typer.Option(help="fast, balanced, accurate or max")] = None,
    output: Annotated[Path | None, typer.Option(help="folder of the results")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda")] = None,
    settings: Annotated[list[str], typer.Option("--set", help="section.key=value, e.g. training.lr=0.005")] = [],
    resume: Annotated[bool, typer.Option("--resume", help="continue from the checkpoint in the output folder")] = False,
    max_time: Annotated[str | None, typer.Option(help="stop after this time with a checkpoint, e.g. 30m")] = None,
    example: Annotated[bool, typer.Option("--example", help="print a commented configuration")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v")] = False,
) -> None:
    """Train a potential on reference data; status 75 where it stopped before the end."""
    from mlpot.running import tuned_process

    if example:
        from mlpot.config import TrainConfig
        from mlpot.config.example import example_yaml

        heading = "Configuration of `mlpot train`. Only data.train is required; every other line shows its default."
        typer.echo(example_yaml(TrainConfig, heading), nl=False)
        return
    tuned_process.restart_tuned(verbose)
    from mlpot.cli.training_run import train_command

    options: dict[str, dict[str, object]] = {"model": {"preset": preset}, "run": {"output": output, "device": device}}
    raise typer.Exit(train_command(source, options, settings, resume=resume, max_time=max_time))


def schema() -> None:
    """Print the JSON schema of a training configuration."""
    from mlpot.config import TrainConfig

    typer.echo(json.dumps(TrainConfig.model_json_schema(), indent=1))
