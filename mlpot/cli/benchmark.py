"""`mlpot benchmark`: settings in; table, JSON and plot out."""

import tempfile
from pathlib import Path

from rich.console import Console

from mlpot.benchmark.cases import Plan, make_plan
from mlpot.benchmark.report import plot_report, print_report
from mlpot.benchmark.results import Report, write_report
from mlpot.benchmark.rounds import Rounds, Workplace
from mlpot.benchmark.scaling import plot_scaling, print_scaling
from mlpot.benchmark.settings import Settings
from mlpot.benchmark.summary import make_report, matrix_rate
from mlpot.running.progress import progress_bar

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""


def run_benchmark(
    settings: Settings, *, json_path: Path | None = None, plot: Path | None = None, console: Console | None = None
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


def _measure_all(settings: Settings, plan: Plan, folder: Path, json_path: Path | None, console: Console) -> Report:
    """All rounds, or those before Ctrl-C."""
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
