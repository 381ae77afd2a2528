"""`mlpot active status`: state of a loop, with its jobs, iterations, cost and latest events."""

import time

from rich.box import SIMPLE
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from mlpot.active_learning.reporting.overview import IterationRow, iteration_rows, overhead
from mlpot.active_learning.store.store import Store
from mlpot.cli.active_queries import SHORT
from mlpot.cli.times import duration, moment

REFRESH = 2.0
"""Seconds between two updates of a live view."""


def print_status(store: Store, console: Console, *, live: bool = False) -> int:
    """Print the state of a loop, with `live` repeatedly until Ctrl-C; exit status 1 if the run is halted."""
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
    """State of a loop, for a rich console."""
    rows = iteration_rows(store)
    parts: list[RenderableType] = [_jobs_table(store)]
    if rows:
        parts += [_loop_table(rows), Text(_times(store, rows))]
    parts += [Text(line, style="bold yellow") for line in _blocked(store)]
    parts += [Text(f"halted {name[:SHORT]}: {reason}", style="bold red") for name, reason in _halted(store)]
    warnings = len(store.history.selections(chosen=False))
    if warnings:
        parts.append(Text(f"{warnings} frames were refused as unphysical: `mlpot active query --refused`"))
    parts += [Text(f"{moment(one.created)} {one.kind}: {one.message}") for one in store.history.events(limit=5)]
    return Group(*parts)


def _halted(store: Store) -> list[tuple[str, str]]:
    return [tuple(row) for row in store.database.rows("SELECT id, halted FROM settings WHERE halted IS NOT NULL")]


def _blocked(store: Store) -> list[str]:
    """Return what prevents calculations from running, though they were not stopped."""
    found = []
    for row in store.database.rows("SELECT id FROM settings"):
        counts, abandoned = store.jobs.counts(row["id"]), store.jobs.abandoned(row["id"])
        if abandoned:
            found.append(f"{abandoned} calculations belong to a process that died: start `mlpot active run` again")
        elif store.history.blocked() is not None and counts["waiting"] + counts["running"]:
            found.append(f"blocked: {store.history.blocked()}")
    return found


def _jobs_table(store: Store) -> Table:
    columns = ("settings", "code", "done", "running", "waiting", "failed", "restarts", "cost", "time left")
    table = Table(*columns, title=store.path.name, box=SIMPLE, padding=0)
    for row in store.database.rows("SELECT id, json_extract(content, '$.code') AS code FROM settings ORDER BY created"):
        counts = store.jobs.counts(row["id"])
        restarts = store.database.number(
            "SELECT sum(r.outcome = 'worker died') FROM runs r JOIN jobs j ON j.id = r.job_id WHERE j.settings_id = ?",
            (row["id"],),
        )
        states = [str(counts[state]) for state in ("done", "running", "waiting", "failed")]
        left = store.jobs.seconds_left(row["id"])
        times = [duration(store.jobs.cost(row["id"])), "" if left is None else duration(left)]
        table.add_row(row["id"][:SHORT], row["code"], *states, f"{restarts:.0f}", *times)
    return table


def _loop_table(rows: list[IterationRow]) -> Table:
    title = "force RMSE, meV/A; of chosen and random frames before training on them"
    table = Table(title=title, box=SIMPLE, padding=0)
    for name in ("iteration", "trained on", "chosen", "random", "initial", "explored", "below target", "time"):
        table.add_column(name, justify="right")
    for row in rows:
        errors = [_millis(row, name) for name in ("chosen_before", "random_validation_before", "validation")]
        fraction = "" if row.expected_fraction is None else f"{100 * row.expected_fraction:.1f} %"
        explored = f"{row.picoseconds:.2f} ps" if row.picoseconds else ""
        trained = "" if row.n_train is None else str(row.n_train)
        table.add_row(str(row.iteration), trained, *errors, explored, fraction, duration(row.total))
    return table


def _millis(row: IterationRow, name: str) -> str:
    errors = row.errors.get(name)
    return "" if errors is None else f"{1e3 * errors['forces_rmse']:.0f}"


def _times(store: Store, rows: list[IterationRow]) -> str:
    running = [step for step in store.steps.all() if step.ended is None]
    now = f"now: {running[-1].name} in iteration {running[-1].iteration}; " if running else ""
    computing, training = sum(row.computing for row in rows), sum(row.training for row in rows)
    if not computing + training:
        return now.removesuffix("; ")
    return (
        f"{now}calculations {duration(computing)}, training {duration(training)}, "
        f"everything else {100 * overhead(rows):.1f} % of the time"
    )
