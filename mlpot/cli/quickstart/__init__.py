"""`mlpot quickstart`: train on the shipped DFT data, export, use the file in ASE and in LAMMPS, report.

`steps` has one function for each step, `run` calls them in order, `report` shows the results.
"""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from mlpot.extras import needs


def quickstart(
    output: Annotated[Path, typer.Option(help="folder of all results")] = Path("quickstart"),
    budget: Annotated[str, typer.Option(help="time for the training, e.g. 2m")] = "30s",
) -> None:
    """Train a silicon potential on the shipped DFT data, use it in ASE and LAMMPS, and write a report."""
    from mlpot.running import tuned_process

    tuned_process.restart_tuned(verbose=False)
    with needs("train"):
        from mlpot.cli.quickstart.run import run_quickstart  # torch, after the restart
    from mlpot.config import parse_duration

    run_quickstart(output, parse_duration(budget), Console())
