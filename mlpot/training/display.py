"""What a person sees while a run goes on: a progress bar in a terminal, a line now and then elsewhere."""

import time
from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from mlpot.training.loss import LABELS, METRIC_UNITS
from mlpot.training.trainer import Trainer

_REFRESH_SECONDS = 0.2
_LINE_SECONDS = 10.0


class Display:
    """Progress of a run; a context manager.

    Parameters
    ----------
    console : Console or None
        None: nothing is shown.
    """

    def __init__(self, console: Console | None) -> None:
        self.console = console
        self._bar: Progress | None = None
        self._refreshed = self._printed = float("-inf")
        self._errors = ""
        if console is not None and console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TaskProgressColumn(),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[status]}"),
                console=console,
            )
            self._task = self._bar.add_task("training", total=1.0, status="")

    def __enter__(self) -> "Display":
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def say(self, text: str) -> None:
        """Print a line."""
        if self.console is not None:
            self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def stepped(self, fit: Trainer, loss: float) -> None:
        """Move the bar; called after every step, so it looks at the clock first."""
        now = time.monotonic()
        if self._bar is None or now - self._refreshed < _REFRESH_SECONDS:
            return
        self._refreshed = now
        self._bar.update(
            self._task,
            completed=_share_done(fit),
            description=_position(fit),
            status=f"loss {loss:.3g}  {self._errors}",
        )

    def validated(self, fit: Trainer, row: Mapping[str, float]) -> None:
        """Show the errors of a validation."""
        self._errors = describe_errors(row)
        now = time.monotonic()
        if self._bar is None and (now - self._printed >= _LINE_SECONDS or fit.is_over()):
            self._printed = now
            loss = f"loss {row['train_loss']:.3g}, " if "train_loss" in row else ""
            self.say(f"{_position(fit)}, {row['time']:.0f} s: {loss}{self._errors}")


def describe_errors(report: Mapping[str, float]) -> str:
    """Root mean square errors in one line; empty where nothing was validated."""
    parts = [
        f"{label} {report[f'{label}_rmse']:.3g} {METRIC_UNITS[label]}" for label in LABELS if f"{label}_rmse" in report
    ]
    return f"validation rmse {', '.join(parts)}" if parts else ""


def _share_done(fit: Trainer) -> float:
    budget = fit.settings.time_budget
    return fit.state.plan.progress(fit.state.step) if budget is None else min(1.0, fit.elapsed() / budget)


def _position(fit: Trainer) -> str:
    if fit.settings.epochs is not None:
        return f"epoch {fit.state.epoch}/{fit.settings.epochs}"
    return f"epoch {fit.state.epoch}, step {fit.state.step}"
