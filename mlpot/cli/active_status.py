"""The work behind `mlpot active status`: what is done, what runs, what failed, what it cost, how much is left."""

import time

from rich.box import SIMPLE
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from mlpot.active_learning.reporting.overview import IterationRow, iteration_rows, overhead, time_left
from mlpot.active_learning.reporting.times import duration, moment
from mlpot.active_learning.store.store import Store
from mlpot.cli.active_queries import SHORT

REFRESH = 2.0
"""Seconds between two looks at the store."""


def print_status(store: Store, console: Console, *, live: bool = False) -> int:
    """Print the state of a loop.

    Parameters
    ----------
    store : Store
    console : rich.console.Console
    live : bool
        Again and again, until Ctrl-C.

    Returns
    -------
    int
        Exit status: 1 where the run is halted.
    """
    if not live:
        console.print(status_view(store))
        return int(bool(_halted(store)))
    with Live(status_view(store), console=console, refresh_per_second=1.0) as view:
        try:
            while True:
                time.sleep(REFRESH)
                view.update(status_view(store))
        except KeyboardInterrupt:
            return int(bool(_halted(store)))


def status_view(store: Store) -> Group:
    """State of a loop, to be printed.

    Parameters
    ----------
    store : Store

    Returns
    -------
    rich.console.Group
    """
    rows = iteration_rows(store)
    parts: list[RenderableType] = [_jobs_table(store)]
    if rows:
        parts += [_loop_table(rows), Text(_where(store, rows))]
    parts += [Text(words, style="bold yellow") for words in _held_up(store)]
    parts += [Text(f"halted {name[:SHORT]}: {reason}", style="bold red") for name, reason in _halted(store)]
    warnings = len(store.history.selections(chosen=False))
    if warnings:
        parts.append(Text(f"{warnings} frames were refused as unphysical: `mlpot active query --refused`"))
    parts += [Text(f"{moment(one.created)} {one.kind}: {one.message}") for one in store.history.events(limit=5)]
    return Group(*parts)


def _halted(store: Store) -> list[tuple[str, str]]:
    return [tuple(row) for row in store.database.rows("SELECT id, halted FROM settings WHERE halted IS NOT NULL")]


def _held_up(store: Store) -> list[str]:
    """Say what keeps calculations from going on, though nobody stopped them."""
    found = []
    for row in store.database.rows("SELECT id FROM settings"):
        counts, abandoned = store.jobs.counts(row["id"]), store.jobs.abandoned(row["id"])
        if abandoned:
            found.append(
                f"{abandoned} calculations were handed out by a process that died: start `mlpot active run` again, it "
                "goes on with them"
            )
        elif store.history.trouble() is not None and counts["waiting"] + counts["running"]:
            found.append(f"held up: {store.history.trouble()}")
    return found


def _jobs_table(store: Store) -> Table:
    columns = ("settings", "code", "done", "running", "waiting", "set aside", "lost", "cost", "time left")
    table = Table(*columns, title=store.path.name, box=SIMPLE, padding=0)
    for row in store.database.rows("SELECT id, json_extract(content, '$.code') AS code FROM settings ORDER BY created"):
        counts = store.jobs.counts(row["id"])
        cost, lost = store.database.rows(
            "SELECT coalesce(sum(a.seconds), 0), coalesce(sum(a.outcome = 'lost'), 0) "
            "FROM attempts a JOIN jobs j ON j.id = a.job_id WHERE j.settings_id = ?",
            (row["id"],),
        )[0]
        states = [str(counts[state]) for state in ("done", "running", "waiting", "set_aside")]
        left = time_left(store, row["id"])
        table.add_row(
            row["id"][:SHORT], row["code"], *states, str(lost), duration(cost), "" if left is None else duration(left)
        )
    return table


def _loop_table(rows: list[IterationRow]) -> Table:
    title = "force RMSE, meV/A: of the newest labels before they were learned"
    table = Table(title=title, box=SIMPLE, padding=0)
    for name in ("iteration", "trained on", "chosen", "control", "validation", "walked", "below target", "time"):
        table.add_column(name, justify="right")
    for row in rows:
        errors = [_millis(row, name) for name in ("chosen_before", "control_before", "fixed")]
        share = "" if row.expected_share is None else f"{100 * row.expected_share:.1f} %"
        walked = f"{row.picoseconds:.2f} ps" if row.picoseconds else ""
        trained = "" if row.n_train is None else str(row.n_train)
        table.add_row(str(row.iteration), trained, *errors, walked, share, duration(row.total))
    return table


def _millis(row: IterationRow, name: str) -> str:
    errors = row.errors.get(name)
    return "" if errors is None else f"{1e3 * errors['forces_rmse']:.0f}"


def _where(store: Store, rows: list[IterationRow]) -> str:
    under_way = [step for step in store.progress.steps() if step.ended is None]
    now = f"now: {under_way[-1].name} of iteration {under_way[-1].iteration}; " if under_way else ""
    computing, training = sum(row.computing for row in rows), sum(row.training for row in rows)
    if not computing + training:
        return now.removesuffix("; ")
    return (
        f"{now}calculations {duration(computing)}, training {duration(training)}, "
        f"all else {100 * overhead(rows):.1f} % of the time"
    )
