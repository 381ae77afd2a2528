"""`mlpot benchmark`: time of a step, as a table, a JSON file and a plot."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mlpot.cli.options import PrecisionOption
from mlpot.extras import needs
from mlpot.running.outputs import FIGURES, check_output_file
from mlpot.running.progress import progress_bar

if TYPE_CHECKING:
    from mlpot.benchmark.cases import Plan
    from mlpot.benchmark.results import Report
    from mlpot.benchmark.settings import Settings

INTERRUPTED = 130
"""Exit status after Ctrl-C, as in shells."""


def benchmark(
    models: Annotated[list[str], typer.Argument(help="model.pt, or names of shipped potentials; else presets")] = [],
    preset: Annotated[list[str], typer.Option(help="untrained: fast, balanced, accurate, max; by default all")] = [],
    elements: Annotated[str, typer.Option(help="of a crystal, e.g. Si or H,O")] = "",
    structure: Annotated[Path | None, typer.Option(help="instead of a crystal; anything ASE reads")] = None,
    atoms: Annotated[list[int], typer.Option(help="about; default 4096")] = [],
    engine: Annotated[list[str], typer.Option(help="native, torch; by default both")] = [],
    precision: PrecisionOption = None,
    ranks: Annotated[list[int], typer.Option(help="MPI processes of LAMMPS; default 1")] = [],
    threads: Annotated[list[int], typer.Option(help="of each process; default 1")] = [],
    peers: Annotated[list[str], typer.Option(help="sw, tersoff, snap-2j8, mace-medium, ..., all, none")] = [],
    rounds: Annotated[int, typer.Option(help="samples of everything, interleaved")] = 5,
    seconds: Annotated[float, typer.Option(help="length of a sample, about")] = 1.0,
    memory: Annotated[bool, typer.Option("--memory", help="measure memory, too")] = False,
    scaling: Annotated[bool, typer.Option("--scaling", help="500 to 500,000 atoms; 2 ranks and threads")] = False,
    json_path: Annotated[Path | None, typer.Option("--json", help="write all samples to this file")] = None,
    plot: Annotated[Path | None, typer.Option(help="draw the result, PNG")] = None,
) -> None:
    """Measure what a step of molecular dynamics costs, in LAMMPS and ASE, beside other potentials."""
    with needs("train"):
        from mlpot.benchmark.settings import Settings

    symbols = [symbol.strip() for symbol in elements.split(",") if symbol.strip()]
    system: dict[str, Any] = {"elements": symbols, "structure": structure, "atoms": atoms}
    engines: dict[str, Any] = {"engines": engine, "precision": precision, "ranks": ranks, "threads": threads}
    how: dict[str, Any] = {"rounds": rounds, "seconds": seconds, "memory": memory, "scaling": scaling}
    settings = Settings(models=models, presets=preset, peers=peers, **system, **engines, **how)
    raise typer.Exit(run_benchmark(settings, json_path=json_path, plot=plot))


def run_benchmark(
    settings: "Settings", *, json_path: Path | None = None, plot: Path | None = None, console: Console | None = None
) -> int:
    """Measure, print, write.

    Parameters
    ----------
    settings : Settings
    json_path : Path, optional
        Written after each round.
    plot : Path, optional
    console : rich.console.Console, optional

    Returns
    -------
    int
        Exit status: 0; 1 where something failed or nothing could be measured; 130 after Ctrl-C.
    """
    with needs("train"):
        from mlpot.benchmark.cases import make_plan
        from mlpot.benchmark.report import plot_report
        from mlpot.benchmark.scaling import plot_scaling

    if json_path is not None:
        check_output_file(json_path)
    if plot is not None:
        check_output_file(plot, FIGURES)
    console = console or Console()
    with tempfile.TemporaryDirectory(prefix="mlpot-benchmark-") as folder:
        plan = make_plan(settings, Path(folder))
        report = _measure_all(settings, plan, Path(folder), json_path, console)
    print_report(report, console)
    if settings.scaling:
        print_scaling(report, console)
    if plot is not None and report.rows:
        (plot_scaling if settings.scaling else plot_report)(report, plot)
    if report.interrupted:
        return INTERRUPTED
    return 0 if report.rows and not report.failed else 1


def _measure_all(
    settings: "Settings", plan: "Plan", folder: Path, json_path: Path | None, console: Console
) -> "Report":
    """Run all rounds, or those before Ctrl-C."""
    from mlpot.benchmark.results import write_report
    from mlpot.benchmark.rounds import Rounds, Workplace
    from mlpot.benchmark.summary import make_report, matrix_rate

    with progress_bar(console, "starting") as update:

        def show(text: str, done: float, expected: float) -> None:
            update(description=text, completed=done, total=expected)

        smallest = plan.smallest if settings.memory else None
        rounds = Rounds(plan.cases, Workplace(folder), settings.rounds, smallest, show)
        done, rate, interrupted = 0, None, False
        try:
            rate = matrix_rate()
            rounds.trial(settings.seconds)
            for done in range(1, settings.rounds + 1):
                rounds.round(f"round {done} of {settings.rounds}")
                if json_path is not None and done < settings.rounds:
                    write_report(make_report(plan, rounds.records, done, rate), json_path)
        except KeyboardInterrupt:
            interrupted = True
    report = make_report(plan, rounds.records, done, rate, interrupted=interrupted)
    if json_path is not None:
        write_report(report, json_path)
    return report


def print_report(report: "Report", console: Console) -> None:
    """Print the table, the circumstances, and what was skipped or failed."""
    from mlpot.benchmark.report import circumstances

    if report.rows:
        console.print(_table(report))
    for line in circumstances(report):
        console.print(line, markup=False, highlight=False)
    for skipped in report.skipped:
        console.print(f"left out: {skipped.name}: {skipped.reason}", markup=False, highlight=False)
    for failed in report.failed:
        console.print(f"FAILED: {failed.name}: {failed.reason}", markup=False, highlight=False)
    if report.interrupted:
        console.print("interrupted; these are the measurements until then", markup=False, highlight=False)


def _table(report: "Report") -> Table:
    from mlpot.benchmark.report import TEXT_COLUMNS, table_cells, title

    header, *body = table_cells(report)
    table = Table(title=f"{title(report)}\nus / atom / step", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in header:
        text = name in TEXT_COLUMNS
        table.add_column(name, justify="left" if text else "right", no_wrap=not text, overflow="fold")
    for row, cells in zip(report.rows, body, strict=True):
        table.add_row(*map(escape, cells), style="bold" if row.mlpot else "")
    return table


def print_scaling(report: "Report", console: Console) -> None:
    """Print exponents and speedups."""
    from mlpot.benchmark.scaling import growths, speedups

    for growth in growths(report):
        console.print(
            f"{growth.name}: time of a step ~ atoms^{growth.exponent:.3f}; cost of an atom within "
            f"{100 * growth.deviation:.0f} % of its mean",
            markup=False,
            highlight=False,
        )
    for gain in speedups(report):
        cores = f"{gain.ranks} ranks" if gain.ranks > 1 else f"{gain.threads} threads"
        console.print(f"{gain.name}: {cores} are {gain.factor:.2f} times as fast", markup=False, highlight=False)
