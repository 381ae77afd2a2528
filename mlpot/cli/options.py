"""What several commands share: arguments, options, the line that names the engine."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from mlpot.calculator import MLPotCalculator

ModelName = Annotated[str, typer.Argument(help="model.pt, or the name of a shipped potential")]
Device = Annotated[str, typer.Option(help="cpu or cuda")]
PrecisionOption = Annotated[str | None, typer.Option(help="mixed or double; by default as in training")]


def print_engine(calculator: "MLPotCalculator", console: Console) -> None:
    """Print the model file and the engine that evaluates it."""
    console.print(f"{calculator.parameters['path']}: {calculator.engine.description}", markup=False, highlight=False)
