"""`mlpot committee`: make committees, several models in one file."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from mlpot.cli.options import ModelName

committee_app = typer.Typer(no_args_is_help=True, help="Make committees: several models in one file.")


@committee_app.command("attach")
def committee_attach(
    model: ModelName,
    data: Annotated[list[Path], typer.Argument(help="the data that it was trained on")],
    output: Annotated[Path, typer.Option(help="the new model file")],
    members: Annotated[int, typer.Option(help="number of members")] = 8,
    held_out: Annotated[Path | None, typer.Option(help="calibrate on these; else on the validation part")] = None,
) -> None:
    """Give a trained model a shallow committee, with error bars; its predictions stay what they are."""
    from mlpot.cli.calibration_of_files import attach_to_file
    from mlpot.model_file.registry import find_potential

    attach_to_file(find_potential(model), data, output, members, held_out=held_out, console=Console())


@committee_app.command("join")
def committee_join(
    models: Annotated[list[Path], typer.Argument(help="single models, trained with different seeds")],
    output: Annotated[Path, typer.Option(help="the new model file")],
    training_data: Annotated[list[Path], typer.Option(help="fit the feature distance to these")] = [],
    held_out: Annotated[Path | None, typer.Option(help="calibrate on these")] = None,
) -> None:
    """Join single models into a deep committee, whose mean is the prediction."""
    from mlpot.cli.calibration_of_files import join_files

    join_files(models, output, training_data, held_out, Console())
