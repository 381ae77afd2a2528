"""Steps of the loop in the store: which are over, their results, and how long they took.

The result of a step is written in one transaction with everything that follows from it. So a loop that was killed
finds each step either done with all of its consequences, or not done.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mlpot.active_learning.store.database import Database, Row
from mlpot.active_learning.store.identity import canonical_json

StepName = Literal["explore", "select", "label", "learn"]


@dataclass(frozen=True)
class Step:
    """One step of one iteration.

    Attributes
    ----------
    number : int
        Of the trajectory, for ``explore``; otherwise 0.
    began : float
        Seconds since 1970, of the first start.
    ended : float or None
    seconds : float or None
        Duration of the start that finished it.
    result : mapping
        Plain values; empty while it is running.
    """

    iteration: int
    name: StepName
    number: int
    began: float
    ended: float | None
    seconds: float | None
    result: Mapping[str, Any]


class Steps:
    """Steps of a store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, iteration: int, name: StepName, number: int = 0) -> None:
        """Record that a step is running."""
        self._database.write(
            "INSERT OR IGNORE INTO steps (iteration, name, number, began) VALUES (?, ?, ?, ?)",
            (iteration, name, number, time.time()),
        )

    def finish(
        self, iteration: int, name: StepName, number: int = 0, *, seconds: float, result: Mapping[str, Any]
    ) -> None:
        """Keep the result of a step that was begun."""
        self._database.write(
            "UPDATE steps SET ended = ?, seconds = ?, result = ? WHERE iteration = ? AND name = ? AND number = ?",
            (time.time(), seconds, canonical_json(result), iteration, name, number),
        )

    def result(self, iteration: int, name: StepName, number: int = 0) -> Mapping[str, Any] | None:
        """Return the result of a step, or None before it is over."""
        row = self._database.row(
            "SELECT result FROM steps WHERE iteration = ? AND name = ? AND number = ? AND ended IS NOT NULL",
            (iteration, name, number),
        )
        return None if row is None else json.loads(row["result"])

    def all(self, name: StepName | None = None) -> list[Step]:
        """List steps, optionally of one name, in the order in which they began."""
        rows = self._database.rows(
            "SELECT * FROM steps WHERE ?1 IS NULL OR name = ?1 ORDER BY iteration, rowid", (name,)
        )
        return [_step(row) for row in rows]


def _step(row: Row) -> Step:
    result = json.loads(row["result"]) if row["result"] else {}
    return Step(row["iteration"], row["name"], row["number"], row["began"], row["ended"], row["seconds"], result)
