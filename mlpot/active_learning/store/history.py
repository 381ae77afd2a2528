"""What happened, kept in the store: why structures were selected or refused, models and their data, events."""

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mlpot.active_learning.store.database import Database, Row
from mlpot.active_learning.store.identity import canonical_json

TROUBLE, OVER = "queue", "queue again"
"""Kinds of events: something keeps calculations from running; it is over."""


@dataclass(frozen=True)
class Event:
    """Something worth remembering.

    Attributes
    ----------
    kind : str
        ``set_aside``, ``lost``, ``halted``, ``check``, ``queue``, ...
    message : str
    job_id : str or None
    created : float
        Seconds since 1970.
    """

    kind: str
    message: str
    job_id: str | None
    created: float


@dataclass(frozen=True)
class SelectionRecord:
    """Why a structure was chosen, or refused.

    Attributes
    ----------
    structure_id : str
    iteration : int
    chosen : bool
        False: refused, and kept as a warning.
    reason : str
    details : mapping
        Uncertainty, distance, trajectory, ...
    model_id : str or None
        Hash of the model that was uncertain.
    """

    structure_id: str
    iteration: int
    chosen: bool
    reason: str
    details: Mapping[str, Any]
    model_id: str | None


class History:
    """Selections, models and events of a store.

    Parameters
    ----------
    database : Database
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, kind: str, message: str, job: str | None = None) -> None:
        """Keep an event.

        Parameters
        ----------
        kind, message : str
        job : str, optional
        """
        self._database.write(
            "INSERT INTO events (kind, job_id, message, created) VALUES (?, ?, ?, ?)",
            (kind, job, message, time.time()),
        )

    def events(self, job: str | None = None, limit: int = 1000) -> list[Event]:
        """Latest events, the newest last."""
        condition, values = ("WHERE job_id = ?", [job]) if job else ("", [])
        rows = self._database.rows(f"SELECT * FROM events {condition} ORDER BY id DESC LIMIT ?", [*values, limit])
        return [Event(row["kind"], row["message"], row["job_id"], row["created"]) for row in reversed(rows)]

    def note_trouble(self, message: str) -> None:
        """Keep what holds calculations up; an empty message says that it is over."""
        self.note(TROUBLE if message else OVER, message or "calculations go on")

    def trouble(self) -> str | None:
        """Say what holds calculations up, by the latest account; None where nothing does."""
        row = self._database.row(
            "SELECT kind, message FROM events WHERE kind IN (?, ?) ORDER BY id DESC LIMIT 1", (TROUBLE, OVER)
        )
        return str(row["message"]) if row is not None and row["kind"] == TROUBLE else None

    def select(self, record: SelectionRecord) -> None:
        """Keep the reason of a selection or of a refusal."""
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
        """List selections in the order in which they were made.

        Parameters
        ----------
        structure : str, optional
            Only of this structure.
        chosen : bool, optional
            Only selections, or only refusals.
        """
        rows = self._database.rows(
            "SELECT * FROM selections WHERE (?1 IS NULL OR structure_id = ?1) AND (?2 IS NULL OR chosen = ?2) "
            "ORDER BY id",
            (structure, chosen),
        )
        return [_selection(row) for row in rows]

    def add_model(
        self, sha256: str, path: str, jobs: Iterable[str], *, iteration: int, metrics: Mapping[str, Any]
    ) -> None:
        """Keep a model and what it was trained on; one that is known already is left as it is.

        Parameters
        ----------
        sha256 : str
            Of the file.
        path : str
        jobs : iterable of str
            Labels of its training set.
        iteration : int
        metrics : mapping
            Plain values.
        """
        with self._database.transaction():
            self._database.write(
                "INSERT OR IGNORE INTO models VALUES (?, ?, ?, ?, ?)",
                (sha256, path, iteration, canonical_json(metrics), time.time()),
            )
            for job in jobs:
                self._database.write("INSERT OR IGNORE INTO model_labels VALUES (?, ?)", (sha256, job))

    def first_model_of(self, job: str) -> Row | None:
        """First model that was trained with a label: columns id, path, iteration, created."""
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
