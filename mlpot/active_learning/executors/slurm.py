"""Calculations as jobs of a Slurm cluster: no service, no open port, all state in Slurm's queue and the task folders.

The result file in the task folder, which all machines see, is what counts; the queue tells which jobs go on and which
died, and why. Jobs outlive the driver: the next one finds them in the queue by their folders, and waits for them. A
Slurm that does not answer is asked again, for as long as it takes.
"""

import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mlpot.active_learning.executors.interface import Ended
from mlpot.active_learning.executors.slurm_queue import (
    QueuedJob,
    RefusedError,
    SilentError,
    cancel,
    jobs_of_user,
    submit,
)
from mlpot.active_learning.labelling.supervise import LEAST_SPACE
from mlpot.active_learning.labelling.task import BEGUN, RESULT
from mlpot.active_learning.settings import ExecutorSettings
from mlpot.errors import ConfigError

POLL = 10.0
"""Seconds between two looks at the queue."""

LOOK = 0.2
"""Seconds between two looks for results."""

GRACE = 10.0
"""Seconds that the result of a job which is over may need to show on a shared disk."""

USUAL = ("None", "Resources", "Priority", "BeginTime", "Prolog")
"""Reasons to wait that are no trouble."""


@dataclass
class _Task:
    number: str | None = None  # of its job; None: not known to be in the queue
    over_since: float | None = None
    fate: str = ""
    refused: str | None = None


class SlurmExecutor:
    """Jobs of Slurm.

    Parameters
    ----------
    settings : ExecutorSettings

    Attributes
    ----------
    trouble : str
        What keeps jobs from running; empty when nothing does.

    Raises
    ------
    ConfigError
        Slurm is not there.
    """

    survives_driver = True

    def __init__(self, settings: ExecutorSettings) -> None:
        missing = [name for name in ("sbatch", "squeue", "scancel") if shutil.which(name) is None]
        if missing:
            raise ConfigError(f"kind slurm needs {', '.join(missing)}: run this where jobs are submitted")
        self.trouble = ""
        self._settings = settings
        self._tasks: dict[Path, _Task] = {}
        self._next_poll = 0.0

    @property
    def n_free(self) -> int:
        """How many more tasks it takes now."""
        return self._settings.workers - len(self._tasks)

    def submit(self, folder: Path) -> None:
        """Put a task into the queue, or find it there.

        Parameters
        ----------
        folder : Path
            On a disk that all machines of the cluster see.
        """
        self._tasks[folder] = _Task()
        self._next_poll = 0.0  # the queue must be looked at first: it may be there

    def wait(self, timeout: float) -> list[Ended]:
        """Tasks that ended.

        Parameters
        ----------
        timeout : float, s

        Returns
        -------
        list of Ended
        """
        deadline = time.monotonic() + timeout
        while True:
            if self._tasks and time.monotonic() >= self._next_poll:
                self._poll()
            ended = [one for folder, task in self._tasks.items() if (one := _ended(folder, task)) is not None]
            for one in ended:
                del self._tasks[one.folder]
            if ended or time.monotonic() >= deadline:
                return ended
            time.sleep(LOOK)

    def close(self) -> None:
        """Cancel all jobs."""
        with suppress(SilentError):  # they end by themselves when they find their folders gone
            cancel(task.number for task in self._tasks.values() if task.number is not None)
        self._tasks.clear()

    def _poll(self) -> None:
        self._next_poll = time.monotonic() + POLL
        try:
            jobs = jobs_of_user()
            for folder, task in self._tasks.items():
                self._follow(folder, task, [job for job in jobs if job.folder == str(folder)])
        except SilentError as error:
            self.trouble = f"Slurm does not answer, or takes no more jobs just now: {error}"
            return
        reasons = {job.reason for job in jobs if job.state == "PENDING" and Path(job.folder) in self._tasks}
        unusual = sorted(reason for reason in reasons if not reason.startswith(USUAL))
        self.trouble = f"jobs cannot start: {'; '.join(unusual)}" if unusual else ""

    def _follow(self, folder: Path, task: _Task, jobs: list[QueuedJob]) -> None:
        """Bring one task up to date, and submit it where no job was ever made of it."""
        alive = next((job for job in jobs if job.alive), None)
        if alive is not None:
            task.number, task.over_since = alive.number, None
        elif task.number is not None or (folder / BEGUN).exists():
            task.over_since = task.over_since or time.monotonic()
            last = jobs[-1] if jobs else None
            fate = "is gone from the queue" if last is None else f"ended as {last.state} ({last.reason})"
            task.fate = f"job {task.number or (last.number if last else '?')} of Slurm {fate}"
        elif task.refused is None:
            try:
                task.number = submit(folder, self._settings)
            except RefusedError as error:
                task.refused = f"Slurm takes no job: {error}; mend `executor` and start again"


def _ended(folder: Path, task: _Task) -> Ended | None:
    if (folder / RESULT).exists():
        return Ended(folder)
    if task.refused is not None:
        return Ended(folder, broken=task.refused)
    if task.over_since is None or time.monotonic() - task.over_since < GRACE:
        return None
    if RESULT in os.listdir(folder.parent / folder.name):  # asks the server of a network disk
        return Ended(folder)
    if shutil.disk_usage(folder).free < LEAST_SPACE:
        return Ended(folder, broken=f"no space is left below {folder.parent}; free some and start again")
    words = _last_words(folder / "slurm.log")
    return Ended(folder, lost=task.fate + (f": {words}" if words else ""))


def _last_words(log: Path, size: int = 200) -> str:
    return " ".join(log.read_text(errors="replace")[-size:].split()) if log.is_file() else ""
