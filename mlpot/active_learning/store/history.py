"""Selections of structures with their reasons, models with their training data, and events."""

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mlpot.active_learning.store.database import Database, Row
from mlpot.active_learning.store.identity import canonical_json

BLOCKED, RESUMED = "blocked", "resumed"
"""Kinds of events: something prevents calculations from running; it no longer does."""


@dataclass(frozen=True)
class Event:
    """An event.

    Attributes
    ----------
    kind : str
        ``failed``, ``restarted``, ``halted``, ``check``, ``blocked``, ``trajectory``, ...
    created : float
        Seconds since 1970.
    """

    kind: str
    message: str
    job_id: str | None
    created: float


@dataclass(frozen=True)
class SelectionRecord:
    """Why a structure was chosen or refused.

    Attributes
    ----------
    chosen : bool
        False: refused, and kept as a warning.
    details : mapping
        Uncertainty, distance, trajectory, ...
    model_id : str or None
        Hash of the model whose uncertainty was used.
    """

    structure_id: str
    iteration: int
    chosen: bool
    reason: str
    details: Mapping[str, Any]
    model_id: str | None


class History:
    """Selections, models and events of a store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, kind: str, message: str, job: str | None = None) -> None:
        """Add an event."""
        self._database.write(
            "INSERT INTO events (kind, job_id, message, created) VALUES (?, ?, ?, ?)",
            (kind, job, message, time.time()),
        )

    def events(self, job: str | None = None, limit: int = 1000) -> list[Event]:
        """Latest events, the newest last."""
        condition, values = ("WHERE job_id = ?", [job]) if job else ("", [])
        rows = self._database.rows(f"SELECT * FROM events {condition} ORDER BY id DESC LIMIT ?", [*values, limit])
        return [Event(row["kind"], row["message"], row["job_id"], row["created"]) for row in reversed(rows)]

    def note_blocked(self, message: str) -> None:
        """Add an event for what prevents calculations from running; an empty message if nothing does any more."""
        self.note(BLOCKED if message else RESUMED, message or "calculations run again")

    def blocked(self) -> str | None:
        """Return what prevents calculations from running according to the latest event, or None."""
        row = self._database.row(
            "SELECT kind, message FROM events WHERE kind IN (?, ?) ORDER BY id DESC LIMIT 1", (BLOCKED, RESUMED)
        )
        return str(row["message"]) if row is not None and row["kind"] == BLOCKED else None

    def add_selection(self, record: SelectionRecord) -> None:
        """Add a selection or a refusal."""
        self._database.write(
            "INSERT INTO selections (structure_id, model_id, iteration, chosen, reason, details, created) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                record.structure_id,
                record.model_id,
                record.iteration,
                record.chosen,
                record.reason,
                canonical_json(record.details),
                time.time(),
            ),
        )

    def selections(self, structure: str | None = None, *, chosen: bool | None = None) -> list[SelectionRecord]:
        """List selections and refusals in their order, optionally of one structure or of one of both kinds."""
        rows = self._database.rows(
            "SELECT * FROM selections WHERE (?1 IS NULL OR structure_id = ?1) AND (?2 IS NULL OR chosen = ?2) "
            "ORDER BY id",
            (structure, chosen),
        )
        return [_selection(row) for row in rows]

    def add_model(
        self, sha256: str, path: str, jobs: Iterable[str], *, iteration: int, metrics: Mapping[str, Any]
    ) -> None:
        """Add a model, by the hash of its file, and the jobs whose labels it was trained on.

        A model that is in the store already is left as it is.
        """
        with self._database.transaction():
            self._database.write(
                "INSERT OR IGNORE INTO models VALUES (?, ?, ?, ?, ?)",
                (sha256, path, iteration, canonical_json(metrics), time.time()),
            )
            for job in jobs:
                self._database.write("INSERT OR IGNORE INTO model_labels VALUES (?, ?)", (sha256, job))

    def first_model_of(self, job: str) -> Row | None:
        """First model that was trained on a label: columns id, path, iteration, created."""
        return self._database.row(
            "SELECT m.* FROM models m JOIN model_labels l ON l.model_id = m.id WHERE l.job_id = ? "
            "ORDER BY m.created, m.rowid LIMIT 1",
            (job,),
        )


def _selection(row: Row) -> SelectionRecord:
    return SelectionRecord(
        row["structure_id"],
        row["iteration"],
        bool(row["chosen"]),
        row["reason"],
        json.loads(row["details"]),
        row["model_id"],
    )
