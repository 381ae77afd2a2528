"""The face of every executor."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Ended:
    """A task that is over.

    Attributes
    ----------
    folder : Path
    lost : str or None
        Why there is no result, where the worker vanished.
    broken : str or None
        Why no task can be performed at all, and what to do: the disk is full, for instance.
    """

    folder: Path
    lost: str | None = None
    broken: str | None = None


class Executor(Protocol):
    """Performs task folders."""

    survives_driver: bool
    """Tasks go on when the process that submitted them dies, and may be submitted again to wait for them."""

    trouble: str
    """What keeps tasks from being begun, for people to read; empty when nothing does."""

    @property
    def n_free(self) -> int:
        """How many more tasks it takes now."""

    def submit(self, folder: Path) -> None:
        """Begin a task, or go on waiting for it."""

    def wait(self, timeout: float) -> list[Ended]:
        """Tasks that ended, after `timeout` seconds at the latest."""

    def close(self) -> None:
        """End all tasks and processes; what was not finished is left without a result."""
