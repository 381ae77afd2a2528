"""Steps of the loop, kept in the store: what is over, what came out of it, how long it took.

A step's result is written in one transaction with everything else that it changed, so a loop that was killed finds
each step done with all of its consequences, or not begun as far as the store knows.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlpot.active_learning.store.database import Database
from mlpot.active_learning.store.identity import canonical_json


@dataclass(frozen=True)
class Step:
    """One step of one iteration.

    Attributes
    ----------
    iteration : int
    name : str
        ``explore/0``, ``explore/1``, ..., ``select``, ``label``, ``learn``.
    began : float
        Seconds since 1970, the first time.
    ended : float or None
    seconds : float or None
        Of the attempt that came to the end.
    result : mapping
        Plain values; empty while it is under way.
    """

    iteration: int
    name: str
    began: float
    ended: float | None
    seconds: float | None
    result: Mapping[str, Any]


class Progress:
    """Steps of a store.

    Parameters
    ----------
    database : Database
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, iteration: int, name: str) -> None:
        """Note that a step is under way."""
        self._database.write(
            "INSERT OR IGNORE INTO steps (iteration, name, began) VALUES (?, ?, ?)", (iteration, name, time.time())
        )

    def finish(self, iteration: int, name: str, seconds: float, result: Mapping[str, Any]) -> None:
        """Keep the result of a step that was begun."""
        self._database.write(
            "UPDATE steps SET ended = ?, seconds = ?, result = ? WHERE iteration = ? AND name = ?",
            (time.time(), seconds, canonical_json(result), iteration, name),
        )

    def result(self, iteration: int, name: str) -> Mapping[str, Any] | None:
        """Return the result of a step; None where it is not over."""
        row = self._database.row(
            "SELECT result FROM steps WHERE iteration = ? AND name = ? AND ended IS NOT NULL", (iteration, name)
        )
        return None if row is None else json.loads(row["result"])

    def steps(self, name: str | None = None) -> list[Step]:
        """List steps in the order in which they were begun.

        Parameters
        ----------
        name : str, optional
            Only steps with this name; ``explore`` stands for all walks.
        """
        rows = self._database.rows(
            "SELECT * FROM steps WHERE ?1 IS NULL OR name = ?1 OR name LIKE ?1 || '/%' ORDER BY iteration, rowid",
            (name,),
        )
        return [
            Step(
                row["iteration"],
                row["name"],
                row["began"],
                row["ended"],
                row["seconds"],
                json.loads(row["result"]) if row["result"] else {},
            )
            for row in rows
        ]
