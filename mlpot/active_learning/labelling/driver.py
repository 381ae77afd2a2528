"""Hands out jobs, takes results in, and knows when to stop: the loop between the store and an executor.

Killed at any moment and started again, it first takes in what was finished without it, then goes on. It stops by
itself where going on would waste calculations: a code that does not start, a reference structure with another energy,
too many failures in a row, a full disk.
"""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mlpot.active_learning.executors import Ended, Executor, make_executor
from mlpot.active_learning.labelling.intake import take_in
from mlpot.active_learning.labelling.processes import kill_marked
from mlpot.active_learning.labelling.reference import ReferenceCheck
from mlpot.active_learning.labelling.task import BEGUN, RESULT, TASK, Outcome, Task, write_task
from mlpot.active_learning.settings import ExecutorSettings, LabelSettings
from mlpot.active_learning.store.records import Job
from mlpot.active_learning.store.store import Store
from mlpot.errors import StoreError

BEAT = 10.0
"""Seconds between signs of life."""

POLL = 0.5
"""Seconds after which a driver that waits looks around."""


@dataclass(frozen=True)
class LabellingReport:
    """What a call of `label_waiting` did.

    Attributes
    ----------
    done, set_aside, lost : int
        Labels that came in, jobs that were given up, calculations whose worker vanished.
    halted : str or None
        Why it stopped before all was done.
    stopped : bool
        It was asked to stop.
    """

    done: int
    set_aside: int
    lost: int
    halted: str | None
    stopped: bool


def label_waiting(
    store: Store,
    settings: LabelSettings,
    executor: ExecutorSettings | None = None,
    *,
    stop: Callable[[], bool] = lambda: False,
    on_change: Callable[[], None] = lambda: None,
) -> LabellingReport:
    """Compute all labels that the store waits for, with one kind of settings.

    Parameters
    ----------
    store : Store
    settings : LabelSettings
    executor : ExecutorSettings
        One local process by default.
    stop : callable
        Asked again and again; True ends the run after giving back what is under way.
    on_change : callable
        Called when a job ended.

    Returns
    -------
    LabellingReport

    Raises
    ------
    StoreError
        The store cannot be written: the disk is full, for instance. Nothing that was finished is lost.
    ConfigError
        The executor is not there.
    """
    settings = settings.in_folder(Path.cwd())
    identity = store.add_settings(settings.identity())
    halted = store.jobs.halted(identity)
    if halted is not None and halted[0] != "check":
        store.jobs.resume(identity)  # whoever starts again has mended it
    place = make_executor(executor or ExecutorSettings(), store.work_folder)
    session = store.jobs.begin_session()
    driver = _Driver(store, settings, identity, place, session, on_change)
    try:
        try:
            driver.run(stop)
        finally:
            place.close()
            driver.clear_up()
    except OSError as error:
        raise StoreError(
            f"calculations cannot be written below {store.work_folder} ({error}): free space and start again; "
            "nothing that was finished is lost"
        ) from error
    return driver.report(stopped=bool(stop()))


class _Driver:
    """State of one run of `label_waiting`."""

    def __init__(
        self,
        store: Store,
        settings: LabelSettings,
        identity: str,
        executor: Executor,
        session: int,
        on_change: Callable[[], None],
    ) -> None:
        self.store = store
        self.settings = settings
        self.identity = identity
        self.executor = executor
        self.session = session
        self.check = ReferenceCheck(store, settings, identity, session)
        self.running: dict[Path, Job] = {}
        self.counts = {"done": 0, "failed": 0, "lost": 0}
        self.failures_in_row = 0
        self.checks_lost = 0
        self.checking = False
        self.check_failed = False
        self._on_change = on_change
        self._trouble = store.history.trouble() or ""
        self._last_beat = time.monotonic()

    def run(self, stop: Callable[[], bool]) -> None:
        """Go on until nothing waits, or nothing may go on."""
        self._take_over()
        while not stop():
            self._fill()
            if not self.running and not self.checking and not self._others_run():
                return
            for ended in self.executor.wait(POLL):
                self._handle(ended)
            self._tell()
            self._beat()

    def report(self, *, stopped: bool) -> LabellingReport:
        """Account of the run."""
        halted = self.store.jobs.halted(self.identity)
        counts = self.counts
        return LabellingReport(
            counts["done"], counts["failed"], counts["lost"], None if halted is None else halted[1], stopped
        )

    def clear_up(self) -> None:
        """Take in what was finished meanwhile, give back the rest.

        A result that cannot be taken in now keeps its job: the next start takes both over.
        """
        shutil.rmtree(self.check.folder, ignore_errors=True)
        for folder in [one for one in self.running if not (one / RESULT).exists()]:
            shutil.rmtree(folder, ignore_errors=True)
            del self.running[folder]
        try:
            for folder, job in list(self.running.items()):
                take_in(self.store, job, folder)
                del self.running[folder]
        finally:
            self.store.jobs.end_session(self.session, keep={job.id for job in self.running.values()})

    # --- jobs

    def _folder(self, job: Job) -> Path:
        return self.store.work_folder / f"{job.id[:32]}-{job.attempt}"

    def _fill(self) -> None:
        """Keep the executor busy."""
        if not self.checking and not self.check_failed and self.executor.n_free > 0 and self.check.due():
            self.executor.submit(self.check.prepare())
            self.checking = True
        for job in self.store.jobs.claim(self.session, self.identity, self.executor.n_free):
            self._submit(job)

    def _submit(self, job: Job) -> None:
        folder = self._folder(job)
        if not (folder / TASK).exists():
            write_task(folder, Task(self.store.structure(job.structure_id), self.settings))
        self.running[folder] = job
        self.executor.submit(folder)

    def _take_over(self) -> None:
        """Go on with what a dead process left: take results in, wait for what still runs, do the rest again."""
        for job in self.store.jobs.take_over(self.session, self.identity):
            folder = self._folder(job)
            self.running[folder] = job
            if (folder / RESULT).exists():
                self._handle(Ended(folder))
            elif self.executor.survives_driver and (folder / TASK).exists():
                self.executor.submit(folder)
            else:
                kill_marked(folder)
                shutil.rmtree(folder, ignore_errors=True)
                del self.running[folder]
                self.store.jobs.give_back(job.id, "the driver was killed")

    def _others_run(self) -> bool:
        """Whether another driver has jobs that may come back to us."""
        if self.store.jobs.halted(self.identity):
            return False
        self._take_over()
        counts = self.store.jobs.counts(self.identity)
        return counts["waiting"] + counts["running"] > 0

    # --- results

    def _handle(self, ended: Ended) -> None:
        if ended.folder == self.check.folder:
            self._handle_check(ended)
            return
        job = self.running[ended.folder]  # until its end is in the store: `clear_up` sees to it if that fails
        outcome = take_in(self.store, job, ended.folder)
        if outcome is None:
            outcome = self._lose(job, ended)
        del self.running[ended.folder]
        if outcome is not None:
            self._count(outcome)
        self._on_change()

    def _lose(self, job: Job, ended: Ended) -> Outcome | None:
        """Let a job without a result wait again; a failure where that has happened too often."""
        reason, seconds = _why_lost(ended), self._seconds(ended.folder)
        shutil.rmtree(ended.folder, ignore_errors=True)
        set_aside = self.store.jobs.lose(job.id, reason, self.settings.max_losses, seconds)
        self.counts["lost"] += 1
        return Outcome("failed", f"its worker vanished again and again: {reason}", {}) if set_aside else None

    def _seconds(self, folder: Path) -> float:
        """Time since a calculation began; a job of a cluster has waited before."""
        beginning = folder / (BEGUN if self.executor.survives_driver else TASK)
        return max(0.0, time.time() - beginning.stat().st_mtime) if beginning.exists() else 0.0

    def _handle_check(self, ended: Ended) -> None:
        self.checking = False
        outcome = self.check.conclude()
        if outcome is None:
            self._lose_check(_why_lost(ended))
        elif outcome.state == "unusable":
            self._halt_unusable(outcome.reason)
        self.check_failed = self.store.jobs.halted(self.identity) is not None

    def _lose_check(self, reason: str) -> None:
        """Let a check without a result be done again, but not for ever."""
        self.store.history.note("lost", f"the check of the reference structure: {reason}")
        self.counts["lost"] += 1
        self.checks_lost += 1
        if self.checks_lost >= self.settings.max_losses:
            self.store.jobs.halt(
                self.identity,
                "check",
                f"the reference structure cannot be computed any more: its worker vanished {self.checks_lost} times, "
                f"at last: {reason}. Mend that and start again",
            )

    def _count(self, outcome: Outcome) -> None:
        if outcome.state == "unusable":
            self._halt_unusable(outcome.reason)
            return
        self.counts[outcome.state] += 1
        self.failures_in_row = self.failures_in_row + 1 if outcome.state == "failed" else 0
        if self.failures_in_row >= self.settings.failures_in_row:
            self.store.jobs.halt(
                self.identity,
                "failures",
                f"{self.failures_in_row} jobs in a row were set aside, the last one because: {outcome.reason}. "
                "Mend the settings, then let them wait again with `mlpot active retry`",
            )

    def _halt_unusable(self, reason: str) -> None:
        self.store.jobs.halt(self.identity, "unusable", f"no label can be computed: {reason}")

    def _tell(self) -> None:
        """Note when something keeps calculations from running, and when it is over."""
        if self.executor.trouble != self._trouble:
            self._trouble = self.executor.trouble
            self.store.history.note_trouble(self._trouble)
            self._on_change()

    def _beat(self) -> None:
        if time.monotonic() - self._last_beat > BEAT:
            self.store.jobs.beat(self.session)
            self._last_beat = time.monotonic()


def _why_lost(ended: Ended) -> str:
    """Why a task has no result; an error where no task would have one."""
    if ended.broken is not None:
        raise StoreError(f"calculations cannot be done here: {ended.broken}; nothing that was finished is lost")
    return ended.lost or "it left no result"
