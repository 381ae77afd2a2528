"""One progress bar for all long commands: description, bar, time spent, time left, status."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn


@contextmanager
def progress_bar(
    console: Console | None, description: str = "", total: float | None = None
) -> Iterator[Callable[..., None]]:
    """Show a progress bar while the block runs; it is removed afterwards.

    Parameters
    ----------
    console : rich.console.Console or None
        Nothing is shown without one, or where it is not a terminal.
    description : str
    total : float or None
        Length of the bar; None: unknown.

    Yields
    ------
    callable
        ``update(completed=..., advance=..., total=..., description=..., status=...)``: any of these.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[status]}", markup=False),
    )
    hidden = console is None or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as progress:
        yield partial(progress.update, progress.add_task(description, total=total, status=""))
