"""Calculations as jobs of a Slurm cluster: no service, no open port, all state in Slurm's queue and the task folders.

A task is over when its folder, on a disk shared by all machines, has a result file. The queue shows which jobs run and
which died, and why. Jobs outlive the driver: the next one finds them in the queue by their folders, and waits for them.
If Slurm does not answer, the query is repeated without limit.
"""

import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mlpot.active_learning.calculation.perform import LEAST_SPACE
from mlpot.active_learning.calculation.task import BEGUN, RESULT
from mlpot.active_learning.config import ExecutorSettings
from mlpot.active_learning.executors.interface import Ended
from mlpot.active_learning.executors.slurm_queue import (
    QueuedJob,
    RejectedError,
    UnreachableError,
    cancel,
    jobs_of_user,
    submit,
)
from mlpot.errors import ConfigError

POLL = 10.0
"""Seconds between two queries of the queue."""

CHECK_INTERVAL = 0.2
"""Seconds between two checks for results."""

GRACE = 10.0
"""Seconds after the end of a job in which its result may still appear on a shared disk."""

NORMAL = ("None", "Resources", "Priority", "BeginTime", "Prolog")
"""Reasons of pending jobs that need no action."""


@dataclass
class _Task:
    number: str | None = None  # of its job; None before it is found in the queue
    over_since: float | None = None
    fate: str = ""
    rejected: str | None = None


class SlurmExecutor:
    """Jobs of Slurm.

    Attributes
    ----------
    blocked : str
        What prevents jobs from running; empty if nothing does.

    Raises
    ------
    ConfigError
        Slurm is not installed.
    """

    survives_driver = True

    def __init__(self, settings: ExecutorSettings) -> None:
        missing = [name for name in ("sbatch", "squeue", "scancel") if shutil.which(name) is None]
        if missing:
            raise ConfigError(f"executor.kind slurm requires {', '.join(missing)}: run this where jobs are submitted")
        self.blocked = ""
        self._settings = settings
        self._tasks: dict[Path, _Task] = {}
        self._next_poll = 0.0

    @property
    def n_free(self) -> int:
        """Number of further tasks that can be submitted now."""
        return self._settings.workers - len(self._tasks)

    def submit(self, folder: Path) -> None:
        """Put a task, in a folder on a shared disk, into the queue, or find it there."""
        self._tasks[folder] = _Task()
        self._next_poll = 0.0  # query the queue first: the job may be there

    def wait(self, timeout: float) -> list[Ended]:
        """Tasks that ended; returns after `timeout` seconds at the latest."""
        deadline = time.monotonic() + timeout
        while True:
            if self._tasks and time.monotonic() >= self._next_poll:
                self._poll()
            ended = [one for folder, task in self._tasks.items() if (one := _ended(folder, task)) is not None]
            for one in ended:
                del self._tasks[one.folder]
            if ended or time.monotonic() >= deadline:
                return ended
            time.sleep(CHECK_INTERVAL)

    def close(self) -> None:
        """Cancel all jobs."""
        with suppress(UnreachableError):  # jobs end by themselves when their folders are removed
            cancel(task.number for task in self._tasks.values() if task.number is not None)
        self._tasks.clear()

    def _poll(self) -> None:
        self._next_poll = time.monotonic() + POLL
        try:
            jobs = jobs_of_user()
            for folder, task in self._tasks.items():
                self._follow(folder, task, [job for job in jobs if job.folder == str(folder)])
        except UnreachableError as error:
            self.blocked = f"Slurm does not answer, or accepts no jobs at present: {error}"
            return
        reasons = {job.reason for job in jobs if job.state == "PENDING" and Path(job.folder) in self._tasks}
        unusual = sorted(reason for reason in reasons if not reason.startswith(NORMAL))
        self.blocked = f"jobs cannot start: {'; '.join(unusual)}" if unusual else ""

    def _follow(self, folder: Path, task: _Task, jobs: list[QueuedJob]) -> None:
        """Update one task, and submit it if there was never a job for it."""
        alive = next((job for job in jobs if job.alive), None)
        if alive is not None:
            task.number, task.over_since = alive.number, None
        elif task.number is not None or (folder / BEGUN).exists():
            task.over_since = task.over_since or time.monotonic()
            last = jobs[-1] if jobs else None
            fate = "is gone from the queue" if last is None else f"ended as {last.state} ({last.reason})"
            task.fate = f"job {task.number or (last.number if last else '?')} of Slurm {fate}"
        elif task.rejected is None:
            try:
                task.number = submit(folder, self._settings)
            except RejectedError as error:
                task.rejected = f"Slurm rejects the job: {error}; correct `executor` and start again"


def _ended(folder: Path, task: _Task) -> Ended | None:
    if (folder / RESULT).exists():
        return Ended(folder)
    if task.rejected is not None:
        return Ended(folder, broken=task.rejected)
    if task.over_since is None or time.monotonic() - task.over_since < GRACE:
        return None
    if RESULT in os.listdir(folder.parent / folder.name):  # queries the server of a network disk
        return Ended(folder)
    if shutil.disk_usage(folder).free < LEAST_SPACE:
        return Ended(folder, broken=f"no space is left below {folder.parent}; free some and start again")
    log = _last_lines(folder / "slurm.log")
    return Ended(folder, lost=task.fate + (f": {log}" if log else ""))


def _last_lines(log: Path, size: int = 200) -> str:
    return " ".join(log.read_text(errors="replace")[-size:].split()) if log.is_file() else ""
