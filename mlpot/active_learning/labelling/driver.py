"""Hands out the jobs of the store to an executor, and collects their results.

After a kill at any moment, the next start first collects the results that were finished meanwhile. The run halts where
further calculations would be wasted: the code does not start, the reference structure has another energy, too many jobs
in a row failed, the disk is full.
"""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mlpot.active_learning.calculation.processes import kill_marked
from mlpot.active_learning.calculation.task import BEGUN, RESULT, TASK, Outcome, Task, write_task
from mlpot.active_learning.config import ExecutorSettings, LabelSettings
from mlpot.active_learning.executors import Ended, Executor, make_executor
from mlpot.active_learning.labelling.reference_check import ReferenceCheck
from mlpot.active_learning.labelling.results import collect_result
from mlpot.active_learning.store.records import Job
from mlpot.active_learning.store.store import Store
from mlpot.errors import StoreError

HEARTBEAT = 10.0
"""Seconds between heartbeats of the session."""

POLL = 0.5
"""Longest wait (s) for results before the next check of the queue."""


@dataclass(frozen=True)
class LabellingReport:
    """Summary of a call of `label_waiting`.

    Attributes
    ----------
    done, failed, restarted : int
        Number of new labels, of failed jobs, and of calculations whose worker died.
    halted : str or None
        Why it ended before all jobs were done.
    stopped : bool
        It ended because `stop` returned True.
    """

    done: int
    failed: int
    restarted: int
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
    """Run all waiting jobs of the store that have these settings.

    Parameters
    ----------
    store : Store
    settings : LabelSettings
    executor : ExecutorSettings
        One local process by default.
    stop : callable
        Called regularly; True ends the run and releases running jobs.
    on_change : callable
        Called when a job ends, or when jobs are blocked.

    Raises
    ------
    StoreError
        The store cannot be written, for example on a full disk. No finished result is lost.
    ConfigError
        The executor is not installed.
    """
    settings = settings.in_folder(Path.cwd())
    identity = store.add_settings(settings.identity())
    halted = store.jobs.halted(identity)
    if halted is not None and halted[0] != "check":
        store.jobs.resume(identity)  # a new start implies that the cause is fixed
    place = make_executor(executor or ExecutorSettings(), store.work_folder)
    session = store.jobs.begin_session()
    driver = _Driver(store, settings, identity, place, session, on_change)
    try:
        try:
            driver.run(stop)
        finally:
            place.close()
            driver.close()
    except OSError as error:
        raise StoreError(
            f"calculations cannot be written below {store.work_folder} ({error}): free space and start again; "
            "no finished result is lost"
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
        self.counts = {"done": 0, "failed": 0, "restarted": 0}
        self.failures_in_row = 0
        self.check_restarts = 0
        self.checking = False
        self.check_failed = False
        self._on_change = on_change
        self._blocked = store.history.blocked() or ""
        self._last_heartbeat = time.monotonic()

    def run(self, stop: Callable[[], bool]) -> None:
        """Run until no job waits, or no job may start."""
        self._take_over()
        while not stop():
            self._fill()
            if not self.running and not self.checking and not self._others_run():
                return
            for ended in self.executor.wait(POLL):
                self._handle(ended)
            self._note_blocked()
            self._heartbeat()

    def report(self, *, stopped: bool) -> LabellingReport:
        """Summary of the run."""
        halted = self.store.jobs.halted(self.identity)
        counts = self.counts
        return LabellingReport(
            counts["done"], counts["failed"], counts["restarted"], None if halted is None else halted[1], stopped
        )

    def close(self) -> None:
        """Collect the results that are there, and release all other jobs.

        A job whose result cannot be stored now stays claimed: the next start takes it over with its result.
        """
        shutil.rmtree(self.check.folder, ignore_errors=True)
        for folder in [one for one in self.running if not (one / RESULT).exists()]:
            shutil.rmtree(folder, ignore_errors=True)
            del self.running[folder]
        try:
            for folder, job in list(self.running.items()):
                collect_result(self.store, job, folder)
                del self.running[folder]
        finally:
            self.store.jobs.end_session(self.session, keep={job.id for job in self.running.values()})

    # --- jobs

    def _folder(self, job: Job) -> Path:
        return self.store.work_folder / f"{job.id[:32]}-{job.runs}"

    def _fill(self) -> None:
        """Submit jobs, and a check that is due, to free workers."""
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
        """Take over the jobs of dead sessions: collect results, wait for running jobs, release the others."""
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
                self.store.jobs.release(job.id, "the driver was killed")

    def _others_run(self) -> bool:
        """Whether another driver has jobs that may wait again."""
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
        job = self.running[ended.folder]  # removed only when its result is stored: `close` handles it otherwise
        outcome = collect_result(self.store, job, ended.folder)
        if outcome is None:
            outcome = self._requeue(job, ended)
        del self.running[ended.folder]
        if outcome is not None:
            self._count(outcome)
        self._on_change()

    def _requeue(self, job: Job, ended: Ended) -> Outcome | None:
        """Let a job without a result wait again; a failure when that has happened too often."""
        reason, seconds = _why_lost(ended), self._seconds(ended.folder)
        shutil.rmtree(ended.folder, ignore_errors=True)
        failed = self.store.jobs.requeue(job.id, reason, self.settings.max_restarts, seconds)
        self.counts["restarted"] += 1
        return Outcome("failed", f"its worker died repeatedly: {reason}", {}) if failed else None

    def _seconds(self, folder: Path) -> float:
        """Time since a calculation began; a job of a cluster waits in the queue before."""
        beginning = folder / (BEGUN if self.executor.survives_driver else TASK)
        return max(0.0, time.time() - beginning.stat().st_mtime) if beginning.exists() else 0.0

    def _handle_check(self, ended: Ended) -> None:
        self.checking = False
        outcome = self.check.conclude()
        if outcome is None:
            self._restart_check(_why_lost(ended))
        elif outcome.state == "unusable":
            self._halt_unusable(outcome.reason)
        self.check_failed = self.store.jobs.halted(self.identity) is not None

    def _restart_check(self, reason: str) -> None:
        """Repeat a check without a result; halt when that has happened too often."""
        self.store.history.note("restarted", f"the check of the reference structure: {reason}")
        self.counts["restarted"] += 1
        self.check_restarts += 1
        if self.check_restarts >= self.settings.max_restarts:
            self.store.jobs.halt(
                self.identity,
                "check",
                f"the reference structure cannot be computed any more: its worker died {self.check_restarts} times, "
                f"the last time: {reason}. Fix the cause and start again",
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
                f"{self.failures_in_row} jobs in a row failed, the last one with: {outcome.reason}. "
                "Correct the settings, then let the jobs wait again with `mlpot active retry`",
            )

    def _halt_unusable(self, reason: str) -> None:
        self.store.jobs.halt(self.identity, "unusable", f"no label can be computed: {reason}")

    def _note_blocked(self) -> None:
        """Record when something prevents jobs from running, and when it no longer does."""
        if self.executor.blocked != self._blocked:
            self._blocked = self.executor.blocked
            self.store.history.note_blocked(self._blocked)
            self._on_change()

    def _heartbeat(self) -> None:
        if time.monotonic() - self._last_heartbeat > HEARTBEAT:
            self.store.jobs.heartbeat(self.session)
            self._last_heartbeat = time.monotonic()


def _why_lost(ended: Ended) -> str:
    """Why a task has no result; raises if no other task can have one either."""
    if ended.broken is not None:
        raise StoreError(f"calculations cannot run here: {ended.broken}; no finished result is lost")
    return ended.lost or "it wrote no result"
