"""Progress of a training on a terminal: a progress bar, or a line now and then where the output is not a terminal."""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from types import TracebackType

from rich.console import Console

from mlpot.running.progress import progress_bar
from mlpot.training.loss import LABELS, METRIC_UNITS
from mlpot.training.observer import TrainingObserver, TrainingProgress

_REFRESH_SECONDS = 0.2
_LINE_SECONDS = 10.0


class TrainingDisplay(TrainingObserver):
    """Prints the progress of a run; a context manager.

    Parameters
    ----------
    console : rich.console.Console
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._bars = ExitStack()
        self._update: Callable[..., None] | None = None
        self._refreshed = self._printed = float("-inf")
        self._errors = ""

    def __enter__(self) -> "TrainingDisplay":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close_bar()

    def message(self, content: object) -> None:
        """Print a line of text or a table."""
        self.console.print(content, markup=False, highlight=False, soft_wrap=isinstance(content, str))

    def labelled(self, done: int, total: int) -> None:
        """Move the bar of the pseudo-labels; it is removed with the last structure."""
        self._bar()(completed=done, total=total, description="teachers label structures")
        if done == total:
            self._close_bar()

    def stepped(self, progress: TrainingProgress, loss: float) -> None:
        """Move the bar, at most every 0.2 s."""
        now = time.monotonic()
        if not self.console.is_terminal or now - self._refreshed < _REFRESH_SECONDS:
            return
        self._refreshed = now
        status = f"loss {loss:.3g}  {self._errors}"
        self._bar()(completed=progress.fraction, total=1.0, description=_position(progress), status=status)

    def validated(self, progress: TrainingProgress, row: Mapping[str, float]) -> None:
        """Show the errors of a validation."""
        self._errors = describe_errors(row)
        now = time.monotonic()
        if not self.console.is_terminal and (now - self._printed >= _LINE_SECONDS or progress.is_over):
            self._printed = now
            loss = f"loss {row['train_loss']:.3g}, " if "train_loss" in row else ""
            self.message(f"{_position(progress)}, {row['time']:.0f} s: {loss}{self._errors}")

    def _bar(self) -> Callable[..., None]:
        if self._update is None:
            self._update = self._bars.enter_context(progress_bar(self.console))
        return self._update

    def _close_bar(self) -> None:
        self._bars.close()
        self._update = None


def describe_errors(report: Mapping[str, float]) -> str:
    """Root mean square errors in one line; empty without a validation."""
    parts = [
        f"{label} {report[f'{label}_rmse']:.3g} {METRIC_UNITS[label]}" for label in LABELS if f"{label}_rmse" in report
    ]
    return f"validation rmse {', '.join(parts)}" if parts else ""


def _position(progress: TrainingProgress) -> str:
    if progress.epochs is not None:
        return f"epoch {progress.epoch}/{progress.epochs}"
    return f"epoch {progress.epoch}, step {progress.step}"
