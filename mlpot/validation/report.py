"""What `mlpot check` leaves: a table on the terminal, ``check.json``, and ``check.png`` with all pictures."""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ase.io import write
from matplotlib.axes import Axes
from pydantic_core import to_json
from rich.markup import escape
from rich.table import Table

from mlpot.plotting import new_figure
from mlpot.simulation.frames import without_calculator
from mlpot.validation.result import Panel, Status, Verdict

STYLES: dict[Status, str] = {"passed": "green", "failed": "bold red", "skipped": "yellow"}
COLUMNS = 3


def verdict_table(verdicts: Sequence[Verdict], title: str) -> Table:
    """Table of verdicts.

    Parameters
    ----------
    verdicts : sequence of Verdict
    title : str

    Returns
    -------
    rich.table.Table
    """
    table = Table(title=title)
    table.add_column("check", no_wrap=True)
    table.add_column("verdict")
    table.add_column("what was found", overflow="fold")
    table.add_column("s", justify="right")
    for one in verdicts:
        style = STYLES[one.status]
        table.add_row(escape(one.name), f"[{style}]{one.status}[/]", escape(one.sentence), f"{one.seconds:.1f}")
    return table


def write_json(verdicts: Sequence[Verdict], heading: Mapping[str, Any], path: Path) -> None:
    """Write all verdicts with their numbers.

    Parameters
    ----------
    verdicts : sequence of Verdict
    heading : mapping
        What was checked.
    path : Path
    """
    checks = [
        {"name": v.name, "status": v.status, "sentence": v.sentence, "numbers": v.numbers, "seconds": v.seconds}
        for v in verdicts
    ]
    content = {**heading, "passed": all(v.status != "failed" for v in verdicts), "checks": checks}
    path.write_bytes(to_json(content, indent=1, inf_nan_mode="null", fallback=lambda array: array.tolist()) + b"\n")


def write_structures(verdicts: Sequence[Verdict], folder: Path) -> list[Path]:
    """Write the structures that failed checks found fault with.

    Parameters
    ----------
    verdicts : sequence of Verdict
    folder : Path

    Returns
    -------
    list of Path
        One extended XYZ file for each check that has some.
    """
    written = []
    for verdict in verdicts:
        if verdict.structures:
            path = folder / f"{re.sub(r'[^A-Za-z0-9.-]+', '-', verdict.name)}.xyz"
            write(path, [without_calculator(atoms) for atoms in verdict.structures], format="extxyz")
            written.append(path)
    return written


def draw_sheet(verdicts: Sequence[Verdict], title: str, path: Path) -> None:
    """Draw the pictures of all checks on one sheet.

    Parameters
    ----------
    verdicts : sequence of Verdict
    title : str
    path : Path
        PNG file.
    """
    panels: list[Panel] = [partial(_draw, verdict, panel) for verdict in verdicts for panel in verdict.panels]
    if not panels:
        return
    n_rows = -(-len(panels) // COLUMNS)
    figure = new_figure(4.6 * COLUMNS, 3.9 * n_rows)
    figure.suptitle(title)
    axes = figure.subplots(n_rows, COLUMNS, squeeze=False).ravel()
    for panel, axis in zip(panels, axes, strict=False):
        panel(axis)
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    figure.savefig(path)


def _draw(verdict: Verdict, panel: Panel, axis: Axes) -> None:
    """Draw one picture; a failed check shows in red."""
    panel(axis)
    axis.set_title(f"{verdict.name}: {verdict.status}", color="#b3261e" if verdict.status == "failed" else "#222222")
