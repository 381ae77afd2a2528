"""`mlpot check`: all checks of a model, with a progress bar and a table of the results."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mlpot.cli.options import ModelName
from mlpot.running.outputs import check_output_folder
from mlpot.running.progress import progress_bar

if TYPE_CHECKING:
    from mlpot.validation import CheckReport
    from mlpot.validation.result import Status

STYLES: dict["Status", str] = {"passed": "green", "failed": "bold red", "skipped": "yellow"}
Structures = Annotated[list[str], typer.Option("--structure", help="a file or e.g. Si:diamond:5.43; may be repeated")]
Stable = Annotated[bool, typer.Option("--stable", help="structures are stable at 0 K: phonons must be real")]


def check(
    model: ModelName,
    structures: Structures = [],
    output: Annotated[Path, typer.Option(help="folder of the results")] = Path("check"),
    stable: Stable = False,
    time: Annotated[float, typer.Option(help="of the MD at twice the melting point, ps")] = 20.0,
    starts: Annotated[int, typer.Option(help="number of random structures that are relaxed")] = 300,
    full: Annotated[bool, typer.Option("--full", help="100 ps and 2000 random structures")] = False,
    melting_point: Annotated[float | None, typer.Option(help="K; by default that of the element")] = None,
) -> None:
    """Check a model before its release: holes, derivatives, engines, dynamics; status 1 where a check fails."""
    from mlpot.model_file.registry import find_potential
    from mlpot.validation import CheckSettings, run_check

    check_output_folder(output)
    length: dict[str, Any] = {"time": 100.0, "starts": 2000} if full else {"time": time, "starts": starts}
    settings = CheckSettings(tuple(structures), stable, melting_point=melting_point, **length)
    console = Console()
    with progress_bar(console, total=1.0) as update:
        report = run_check(
            find_potential(model),
            settings,
            lambda name, fraction: update(description=name, completed=fraction),
        )
    print_report(report, output, console)
    raise typer.Exit(130 if report.interrupted else int(not report.passed))


def print_report(report: "CheckReport", output: Path, console: Console) -> None:
    """Write the files of a report and print its results."""
    files = report.write(output)
    console.print(results_table(report))
    counts = Counter(result.status for result in report.results)
    console.print(", ".join(f"{counts[status]} {status}" for status in STYLES), highlight=False)
    names = ", ".join(file.name for file in files)
    console.print(f"written to {output}: {names}", highlight=False, soft_wrap=True)


def results_table(report: "CheckReport") -> Table:
    """Table of the results of all checks."""
    table = Table(title=report.title)
    table.add_column("check", no_wrap=True)
    table.add_column("result")
    table.add_column("what was found", overflow="fold")
    table.add_column("s", justify="right")
    for one in report.results:
        style = STYLES[one.status]
        table.add_row(escape(one.name), f"[{style}]{one.status}[/]", escape(one.sentence), f"{one.seconds:.1f}")
    return table
