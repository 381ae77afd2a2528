"""`mlpot calibrate`: calibrate the error bars of a committee on held-out data."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from mlpot.cli.options import Device


def calibrate(
    model: Annotated[Path, typer.Argument(help="model.pt with a committee")],
    data: Annotated[Path, typer.Argument(help="labelled structures that it was not trained on")],
    output: Annotated[Path | None, typer.Option(help="new file; by default the model is replaced")] = None,
    training_data: Annotated[list[Path], typer.Option(help="fit the feature distance to these data")] = [],
    device: Device = "cpu",
) -> None:
    """Calibrate the error bars of a committee on held-out data."""
    from mlpot.cli.calibration_of_files import calibrate_file

    calibrate_file(model, data, output or model, training_data=training_data, device=device, console=Console())
