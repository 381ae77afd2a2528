"""Which calculations are to be done, and which process does which: claims that outlive no process.

A session is one process that hands out jobs. Its claims hold as long as it lives: of a process on this machine that
is known for sure, of one on another machine by its heartbeat. What a dead session held is taken over at once.
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
"""Seconds without a heartbeat after which a session that cannot be examined from here counts as dead."""

HaltKind = Literal["check", "unusable", "failures"]


class JobQueue:
    """Jobs and sessions of a store.

    Parameters
    ----------
    database : Database
    history : History
        Where events are kept.
    """

    def __init__(self, database: Database, history: History) -> None:
        self._database = database
        self._history = history

    def add(self, structure: str, settings: str, *, iteration: int = 0, priority: float = 0.0) -> tuple[str, bool]:
        """Ask for a label, unless it was asked for before.

        Parameters
        ----------
        structure, settings : str
            Hashes of what is in the store.
        iteration : int
            Of the loop.
        priority : float
            Higher comes first.

        Returns
        -------
        job : str
            Hash.
        new : bool
        """
        identity, now = job_id(structure, settings), time.time()
        changed = self._database.write(
            "INSERT OR IGNORE INTO jobs (id, structure_id, settings_id, state, priority, iteration, attempt, losses, "
            "created, changed) VALUES (?, ?, ?, 'waiting', ?, ?, 0, 0, ?, ?)",
            (identity, structure, settings, priority, iteration, now, now),
        )
        return identity, changed == 1

    def job(self, identity: str) -> Job | None:
        """Job of a hash."""
        row = self._database.row("SELECT * FROM jobs WHERE id = ?", (identity,))
        return None if row is None else job_of_row(row)

    def counts(self, settings: str | None = None) -> dict[str, int]:
        """How many jobs are in which state.

        Parameters
        ----------
        settings : str, optional
            Only of these settings.
        """
        rows = self._database.rows(
            "SELECT state, count(*) FROM jobs WHERE ?1 IS NULL OR settings_id = ?1 GROUP BY state", (settings,)
        )
        return {state: 0 for state in ("waiting", "running", "done", "set_aside")} | {row[0]: row[1] for row in rows}

    # --- sessions

    def begin_session(self) -> int:
        """Register this process as one that hands out jobs.

        Returns
        -------
        int
            Number of the session.
        """
        me, now = ProcessIdentity.current(), time.time()
        with self._database.transaction():
            self._database.write(
                "INSERT INTO sessions (host, boot, pid, started, heartbeat, began) VALUES (?, ?, ?, ?, ?, ?)",
                (me.host, me.boot, me.pid, me.started, now, now),
            )
            return int(self._database.number("SELECT max(id) FROM sessions"))

    def beat(self, session: int) -> None:
        """Give a sign of life."""
        self._database.write("UPDATE sessions SET heartbeat = ? WHERE id = ?", (time.time(), session))

    def end_session(self, session: int, keep: Collection[str] = ()) -> None:
        """Give back what the session still holds, and end it.

        Parameters
        ----------
        session : int
        keep : collection of str
            Jobs that are not given back: the next session takes them over.
        """
        with self._database.transaction():
            for job in self.held(session):
                if job.id not in keep:
                    self.give_back(job.id, "the run was stopped")
            self._database.write("UPDATE sessions SET ended = ? WHERE id = ?", (time.time(), session))

    def is_over(self, session: int) -> bool:
        """Whether a session has ended, or its process is dead."""
        row = self._database.row("SELECT * FROM sessions WHERE id = ?", (session,))
        return row is None or _is_dead(row)

    def held(self, session: int) -> list[Job]:
        """Jobs that a session has claimed."""
        return [job_of_row(row) for row in self._database.rows("SELECT * FROM jobs WHERE session_id = ?", (session,))]

    def take_over(self, session: int, settings: str) -> list[Job]:
        """Claim what dead sessions held.

        Parameters
        ----------
        session : int
            That takes over.
        settings : str
            Only jobs with these settings.

        Returns
        -------
        list of Job
            Still in the state running: their results may be there, or may come.
        """
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
        """How many calculations were handed out by processes that are dead, and wait for the next one."""
        rows = self._database.rows(
            "SELECT s.*, count(*) AS held FROM sessions s JOIN jobs j ON j.session_id = s.id "
            "WHERE j.settings_id = ? GROUP BY s.id",
            (settings,),
        )
        return sum(row["held"] for row in rows if _is_dead(row))

    # --- the course of a job

    def claim(self, session: int, settings: str, limit: int) -> list[Job]:
        """Take waiting jobs, the most urgent first.

        Parameters
        ----------
        session : int
        settings : str
        limit : int
            At most.

        Returns
        -------
        list of Job
            None where the settings are halted.
        """
        with self._database.transaction():
            if limit < 1 or self.halted(settings):
                return []
            rows = self._database.rows(
                "SELECT id FROM jobs WHERE settings_id = ? AND state = 'waiting' "
                "ORDER BY priority DESC, losses, created, rowid LIMIT ?",
                (settings, limit),
            )
            return [self._begin(row["id"], session) for row in rows]

    def _begin(self, identity: str, session: int) -> Job:
        now = time.time()
        self._database.write(
            "UPDATE jobs SET state = 'running', session_id = ?, attempt = attempt + 1, changed = ? WHERE id = ?",
            (session, now, identity),
        )
        self._database.write(
            "INSERT INTO attempts (job_id, attempt, session_id, began) SELECT id, attempt, ?, ? FROM jobs WHERE id = ?",
            (session, now, identity),
        )
        return job_of_row(self._database.rows("SELECT * FROM jobs WHERE id = ?", (identity,))[0])

    def finish(self, identity: str, outcome: str, seconds: float) -> None:
        """Close a job whose label is in the store."""
        with self._database.transaction():
            self._end_attempt(identity, outcome, None, seconds)
            self._move(identity, "done", None)

    def give_back(self, identity: str, reason: str) -> None:
        """Let a job wait again through no fault of its own."""
        with self._database.transaction():
            self._end_attempt(identity, "given back", reason, None)
            self._move(identity, "waiting", None)

    def lose(self, identity: str, reason: str, max_losses: int, seconds: float = 0.0) -> bool:
        """Let a job wait again whose worker vanished; set it aside when that has happened too often.

        Parameters
        ----------
        identity : str
        reason : str
        max_losses : int
        seconds : float
            That it took.

        Returns
        -------
        bool
            It was set aside.
        """
        with self._database.transaction():
            self._database.write("UPDATE jobs SET losses = losses + 1 WHERE id = ?", (identity,))
            losses = int(self._database.number("SELECT losses FROM jobs WHERE id = ?", (identity,)))
            if losses >= max_losses:
                self.set_aside(identity, f"its worker vanished {losses} times, at last: {reason}", seconds)
            else:
                self._end_attempt(identity, "lost", reason, seconds)
                self._move(identity, "waiting", None)
                self._history.note("lost", reason, identity)
        return losses >= max_losses

    def set_aside(self, identity: str, reason: str, seconds: float) -> None:
        """Give a job up, with its reason.

        Parameters
        ----------
        identity, reason : str
        seconds : float
            That it took.
        """
        with self._database.transaction():
            self._end_attempt(identity, "set aside", reason, seconds)
            self._move(identity, "set_aside", reason)
            self._history.note("set_aside", reason, identity)

    def retry_set_aside(self, settings: str | None = None) -> int:
        """Let jobs that were set aside wait again.

        Returns
        -------
        int
            How many.
        """
        return self._database.write(
            "UPDATE jobs SET state = 'waiting', losses = 0, reason = NULL, changed = ?1 "
            "WHERE state = 'set_aside' AND (?2 IS NULL OR settings_id = ?2)",
            (time.time(), settings),
        )

    def _end_attempt(self, identity: str, outcome: str, reason: str | None, seconds: float | None) -> None:
        self._database.write(
            "UPDATE attempts SET ended = ?, outcome = ?, reason = ?, seconds = ? WHERE ended IS NULL AND job_id = ?",
            (time.time(), outcome, reason, seconds, identity),
        )

    def _move(self, identity: str, state: str, reason: str | None) -> None:
        """Change the state of a job; one that is done stays so."""
        self._database.write(
            "UPDATE jobs SET state = ?, session_id = NULL, reason = ?, changed = ? WHERE id = ? AND state != 'done'",
            (state, reason, time.time(), identity),
        )

    # --- settings that cannot be trusted

    def halt(self, settings: str, kind: HaltKind, reason: str) -> None:
        """Let no more jobs of some settings begin.

        A halt by a check stays what it is, whatever else goes wrong: only a check that passes ends it.

        Parameters
        ----------
        settings : str
        kind : str
            ``check``: the reference structure has another energy; ``unusable``: the code does not start;
            ``failures``: too many jobs in a row were set aside.
        reason : str
        """
        with self._database.transaction():
            self._database.write(
                "UPDATE settings SET halted = ?, halt_kind = ? "
                "WHERE id = ? AND (halt_kind IS NOT 'check' OR ? = 'check')",
                (reason, kind, settings, kind),
            )
            self._history.note("halted", reason)

    def resume(self, settings: str) -> None:
        """Let jobs of halted settings begin again."""
        self._database.write("UPDATE settings SET halted = NULL, halt_kind = NULL WHERE id = ?", (settings,))

    def halted(self, settings: str) -> tuple[str, str] | None:
        """Kind and reason of a halt, if there is one."""
        row = self._database.row("SELECT halt_kind, halted FROM settings WHERE id = ?", (settings,))
        return None if row is None or row["halted"] is None else (row["halt_kind"], row["halted"])


def job_of_row(row: Row) -> Job:
    """Job in a row of the table `jobs`."""
    names = ("id", "structure_id", "settings_id", "state", "attempt", "losses", "iteration", "reason")
    return Job(*(row[name] for name in names))


def _is_dead(row: Row) -> bool:
    if row["ended"] is not None:
        return True
    liveness = ProcessIdentity(row["host"], row["boot"], row["pid"], row["started"]).liveness()
    if liveness == "unknown":
        return bool(time.time() - row["heartbeat"] > LEASE)
    return liveness == "dead"
