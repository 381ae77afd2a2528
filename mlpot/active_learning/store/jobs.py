"""Queue of calculations, and the process that each of them is claimed by.

A session is one process that hands out jobs. Its claims hold as long as it is alive: on this machine by the identity of
the process, on other machines by its heartbeat. The jobs of a dead session are taken over at once.
"""

import time
from collections.abc import Collection
from typing import Literal

from mlpot.active_learning.store.database import Database, Row
from mlpot.active_learning.store.history import History
from mlpot.active_learning.store.identity import job_id
from mlpot.active_learning.store.process_identity import ProcessIdentity
from mlpot.active_learning.store.records import Job

LEASE = 180.0
"""Seconds without a heartbeat after which a session of another machine counts as dead."""

HaltKind = Literal["check", "unusable", "failures"]


class JobQueue:
    """Jobs and sessions of a store; events are written to its history."""

    def __init__(self, database: Database, history: History) -> None:
        self._database = database
        self._history = history

    def add(self, structure: str, settings: str, *, iteration: int = 0, priority: float = 0.0) -> tuple[str, bool]:
        """Request a label, unless there is a job for it already.

        Parameters
        ----------
        structure, settings : str
            Hashes, both in the store.
        iteration : int
            Of the loop.
        priority : float
            Higher values are computed first.

        Returns
        -------
        job : str
            Hash.
        new : bool
        """
        identity, now = job_id(structure, settings), time.time()
        changed = self._database.write(
            "INSERT OR IGNORE INTO jobs (id, structure_id, settings_id, state, priority, iteration, runs, restarts, "
            "created, changed) VALUES (?, ?, ?, 'waiting', ?, ?, 0, 0, ?, ?)",
            (identity, structure, settings, priority, iteration, now, now),
        )
        return identity, changed == 1

    def exists(self, structure: str, settings: str) -> bool:
        """Whether a label was requested."""
        return self.job(job_id(structure, settings)) is not None

    def job(self, identity: str) -> Job | None:
        """Job of a hash, or None."""
        row = self._database.row("SELECT * FROM jobs WHERE id = ?", (identity,))
        return None if row is None else job_of_row(row)

    def counts(self, settings: str | None = None) -> dict[str, int]:
        """Count the jobs in each state, optionally of one kind of settings."""
        rows = self._database.rows(
            "SELECT state, count(*) FROM jobs WHERE ?1 IS NULL OR settings_id = ?1 GROUP BY state", (settings,)
        )
        return {state: 0 for state in ("waiting", "running", "done", "failed")} | {row[0]: row[1] for row in rows}

    def n_failed(self, settings: str, iteration: int) -> int:
        """Count the failed jobs of an iteration."""
        return int(
            self._database.number(
                "SELECT count(*) FROM jobs WHERE state = 'failed' AND settings_id = ? AND iteration = ?",
                (settings, iteration),
            )
        )

    def cost(self, settings: str) -> float:
        """Time (s) of all calculations."""
        return self._database.number(
            "SELECT sum(r.seconds) FROM runs r JOIN jobs j ON j.id = r.job_id WHERE j.settings_id = ?", (settings,)
        )

    def seconds_left(self, settings: str) -> float | None:
        """Estimated time (s) of the remaining calculations, from the mean of the finished ones; None without any."""
        counts = self.counts(settings)
        left = counts["waiting"] + counts["running"]
        row = self._database.rows(
            "SELECT avg(l.seconds) FROM labels l JOIN jobs j ON j.id = l.job_id WHERE j.settings_id = ?", (settings,)
        )[0]
        return None if row[0] is None or not left else float(row[0]) * left / max(1, counts["running"])

    # --- sessions

    def begin_session(self) -> int:
        """Register this process as one that hands out jobs, and return the number of its session."""
        me, now = ProcessIdentity.current(), time.time()
        with self._database.transaction():
            self._database.write(
                "INSERT INTO sessions (host, boot, pid, started, heartbeat, began) VALUES (?, ?, ?, ?, ?, ?)",
                (me.host, me.boot, me.pid, me.started, now, now),
            )
            return int(self._database.number("SELECT max(id) FROM sessions"))

    def heartbeat(self, session: int) -> None:
        """Record that a session is alive."""
        self._database.write("UPDATE sessions SET heartbeat = ? WHERE id = ?", (time.time(), session))

    def end_session(self, session: int, keep: Collection[str] = ()) -> None:
        """Release the jobs of a session, except `keep`, and end it; the next session takes over the others."""
        with self._database.transaction():
            for job in self.held(session):
                if job.id not in keep:
                    self.release(job.id, "the run was stopped")
            self._database.write("UPDATE sessions SET ended = ? WHERE id = ?", (time.time(), session))

    def is_over(self, session: int) -> bool:
        """Whether a session has ended or its process is dead."""
        row = self._database.row("SELECT * FROM sessions WHERE id = ?", (session,))
        return row is None or _is_dead(row)

    def held(self, session: int) -> list[Job]:
        """Jobs claimed by a session."""
        return [job_of_row(row) for row in self._database.rows("SELECT * FROM jobs WHERE session_id = ?", (session,))]

    def take_over(self, session: int, settings: str) -> list[Job]:
        """Claim the jobs of dead sessions with some settings; they stay running, and may have results already."""
        taken = []
        with self._database.transaction():
            holders = self._database.rows(
                "SELECT DISTINCT s.* FROM sessions s JOIN jobs j ON j.session_id = s.id "
                "WHERE s.id != ? AND j.settings_id = ?",
                (session, settings),
            )
            for holder in filter(_is_dead, holders):
                taken += self.held(holder["id"])
                self._database.write(
                    "UPDATE jobs SET session_id = ? WHERE session_id = ? AND settings_id = ?",
                    (session, holder["id"], settings),
                )
        return [job for job in taken if job.settings_id == settings]

    def abandoned(self, settings: str) -> int:
        """Count the running jobs whose session is dead."""
        rows = self._database.rows(
            "SELECT s.*, count(*) AS held FROM sessions s JOIN jobs j ON j.session_id = s.id "
            "WHERE j.settings_id = ? GROUP BY s.id",
            (settings,),
        )
        return sum(row["held"] for row in rows if _is_dead(row))

    # --- state of a job

    def claim(self, session: int, settings: str, limit: int) -> list[Job]:
        """Claim at most `limit` waiting jobs, those of the highest priority first; none of halted settings."""
        with self._database.transaction():
            if limit < 1 or self.halted(settings):
                return []
            rows = self._database.rows(
                "SELECT id FROM jobs WHERE settings_id = ? AND state = 'waiting' "
                "ORDER BY priority DESC, restarts, created, rowid LIMIT ?",
                (settings, limit),
            )
            return [self._begin(row["id"], session) for row in rows]

    def _begin(self, identity: str, session: int) -> Job:
        now = time.time()
        self._database.write(
            "UPDATE jobs SET state = 'running', session_id = ?, runs = runs + 1, changed = ? WHERE id = ?",
            (session, now, identity),
        )
        self._database.write(
            "INSERT INTO runs (job_id, run, session_id, began) SELECT id, runs, ?, ? FROM jobs WHERE id = ?",
            (session, now, identity),
        )
        return job_of_row(self._database.rows("SELECT * FROM jobs WHERE id = ?", (identity,))[0])

    def finish(self, identity: str, outcome: str, seconds: float) -> None:
        """Close a job whose label is in the store."""
        with self._database.transaction():
            self._end_run(identity, outcome, None, seconds)
            self._move(identity, "done", None)

    def release(self, identity: str, reason: str) -> None:
        """Let a job wait again that was stopped from outside."""
        with self._database.transaction():
            self._end_run(identity, "released", reason, None)
            self._move(identity, "waiting", None)

    def requeue(self, identity: str, reason: str, max_restarts: int, seconds: float = 0.0) -> bool:
        """Let a job wait again whose worker died; it fails when that has happened `max_restarts` times.

        Parameters
        ----------
        seconds : float
            Duration of the run.

        Returns
        -------
        failed : bool
        """
        with self._database.transaction():
            self._database.write("UPDATE jobs SET restarts = restarts + 1 WHERE id = ?", (identity,))
            restarts = int(self._database.number("SELECT restarts FROM jobs WHERE id = ?", (identity,)))
            if restarts >= max_restarts:
                self.fail(identity, f"its worker died {restarts} times, the last time: {reason}", seconds)
            else:
                self._end_run(identity, "worker died", reason, seconds)
                self._move(identity, "waiting", None)
                self._history.note("restarted", reason, identity)
        return restarts >= max_restarts

    def fail(self, identity: str, reason: str, seconds: float) -> None:
        """Close a job without a label; `seconds` is the duration of its last run."""
        with self._database.transaction():
            self._end_run(identity, "failed", reason, seconds)
            self._move(identity, "failed", reason)
            self._history.note("failed", reason, identity)

    def retry_failed(self, settings: str | None = None) -> int:
        """Let failed jobs wait again, and return their number."""
        return self._database.write(
            "UPDATE jobs SET state = 'waiting', restarts = 0, reason = NULL, changed = ?1 "
            "WHERE state = 'failed' AND (?2 IS NULL OR settings_id = ?2)",
            (time.time(), settings),
        )

    def reopen(self, identity: str, reason: str) -> None:
        """Let a job whose label was deleted wait again."""
        with self._database.transaction():
            self._database.write(
                "UPDATE jobs SET state = 'waiting', reason = NULL, changed = ? WHERE id = ?", (time.time(), identity)
            )
            self._history.note("restarted", reason, identity)

    def _end_run(self, identity: str, outcome: str, reason: str | None, seconds: float | None) -> None:
        self._database.write(
            "UPDATE runs SET ended = ?, outcome = ?, reason = ?, seconds = ? WHERE ended IS NULL AND job_id = ?",
            (time.time(), outcome, reason, seconds, identity),
        )

    def _move(self, identity: str, state: str, reason: str | None) -> None:
        """Change the state of a job; one that is done stays so."""
        self._database.write(
            "UPDATE jobs SET state = ?, session_id = NULL, reason = ?, changed = ? WHERE id = ? AND state != 'done'",
            (state, reason, time.time(), identity),
        )

    # --- halted settings

    def halt(self, settings: str, kind: HaltKind, reason: str) -> None:
        """Let no more jobs of some settings start.

        A halt by a check is not replaced by one of another kind: only a check that passes ends it.

        Parameters
        ----------
        kind : str
            ``check``: the reference structure has another energy; ``unusable``: the code does not start;
            ``failures``: too many jobs in a row failed.
        """
        with self._database.transaction():
            self._database.write(
                "UPDATE settings SET halted = ?, halt_kind = ? "
                "WHERE id = ? AND (halt_kind IS NOT 'check' OR ? = 'check')",
                (reason, kind, settings, kind),
            )
            self._history.note("halted", reason)

    def resume(self, settings: str) -> None:
        """Let jobs of halted settings start again."""
        self._database.write("UPDATE settings SET halted = NULL, halt_kind = NULL WHERE id = ?", (settings,))

    def halted(self, settings: str) -> tuple[str, str] | None:
        """Kind and reason of a halt, or None."""
        row = self._database.row("SELECT halt_kind, halted FROM settings WHERE id = ?", (settings,))
        return None if row is None or row["halted"] is None else (row["halt_kind"], row["halted"])


def job_of_row(row: Row) -> Job:
    """Job in a row of the table `jobs`."""
    names = ("id", "structure_id", "settings_id", "state", "runs", "restarts", "iteration", "reason")
    return Job(*(row[name] for name in names))


def _is_dead(row: Row) -> bool:
    if row["ended"] is not None:
        return True
    liveness = ProcessIdentity(row["host"], row["boot"], row["pid"], row["started"]).liveness()
    if liveness == "unknown":
        return bool(time.time() - row["heartbeat"] > LEASE)
    return liveness == "dead"
