"""`mlpot evaluate`: errors of a potential on labelled data."""

from pathlib import Path
from typing import Annotated, Any, cast

import typer

from mlpot.cli.options import Device, ModelName, PrecisionOption
from mlpot.extras import needs


def evaluate(
    model: ModelName,
    data: Annotated[Path, typer.Argument(help="labelled structures: extended XYZ, ASE database, ...")],
    json_path: Annotated[Path | None, typer.Option("--json", help="write all errors to this file")] = None,
    plot: Annotated[Path | None, typer.Option(help="draw predictions against labels, PNG")] = None,
    device: Device = "cpu",
    precision: PrecisionOption = None,
) -> None:
    """Compare a model with labelled data: errors by label, element and config_type."""
    with needs("train"):
        from mlpot.cli.evaluation_of_files import evaluate_file
    from mlpot.model_file.registry import find_potential

    path = find_potential(model)
    evaluate_file(path, data, device=device, precision=cast(Any, precision), json_path=json_path, plot=plot)
