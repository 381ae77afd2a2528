"""`mlpot doctor`: the parts of this installation, as a table or as JSON."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mlpot import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlpot.installation import Part

STYLES = {"works": "green", "absent": "yellow", "broken": "bold red"}


def doctor(as_json: Annotated[bool, typer.Option("--json", help="print a JSON list")] = False) -> None:
    """Test this installation and print how to fix what is broken; status 1 where something is."""
    from mlpot.installation import examine

    console = Console()
    if as_json:
        parts = examine()
        console.print_json(data=[asdict(part) for part in parts])
    else:
        with console.status("testing this installation ..."):
            parts = examine()
        console.print(parts_table(parts))
    raise typer.Exit(int(any(part.status == "broken" for part in parts)))


def parts_table(parts: "Sequence[Part]") -> Table:
    """Table of the parts of an installation."""
    table = Table(title=f"mlpot {__version__}")
    for column in ("", "status", "what was found", "what to do"):
        table.add_column(column, overflow="fold")
    for part in parts:
        style = STYLES[part.status]
        table.add_row(part.name, f"[{style}]{part.status}[/]", escape(part.detail.strip()), escape(part.remedy))
    return table
