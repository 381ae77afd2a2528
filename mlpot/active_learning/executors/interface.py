"""Interface of all executors."""

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
        Why there is no result, if the worker died.
    broken : str or None
        Why no task can be performed, and what to do; for example, the disk is full.
    """

    folder: Path
    lost: str | None = None
    broken: str | None = None


class Executor(Protocol):
    """Performs task folders."""

    survives_driver: bool
    """Tasks continue when the process that submitted them dies; submitting them again waits for them."""

    blocked: str
    """What prevents tasks from starting; empty if nothing does."""

    @property
    def n_free(self) -> int:
        """Number of further tasks that can be submitted now."""

    def submit(self, folder: Path) -> None:
        """Start a task, or wait for one that was started before."""

    def wait(self, timeout: float) -> list[Ended]:
        """Tasks that ended; returns after `timeout` seconds at the latest."""

    def close(self) -> None:
        """End all tasks and processes; unfinished tasks have no result."""
