"""Conversion of an older store, in place: version 2 has other names of columns, states and keys, 3 no hashes of labels.

Structures, settings and jobs keep their hashes, so that no calculation is repeated.
"""

import json
import sqlite3
from typing import Any

from mlpot.active_learning.store.identity import canonical_json, label_hash
from mlpot.active_learning.store.rows import LABEL_COLUMNS, label_of_row
from mlpot.active_learning.store.schema import SCHEMA

MIGRATED_VERSIONS = (2, 3)
KEYS = {
    "bar": "force_interval",
    "control": "random_validation",
    "control_before": "random_validation_before",
    "expected_share": "expected_fraction",
    "fixed": "validation",
    "looks": "n_checks",
    "set_aside": "failed",
    "share_below_target": "fraction_below_target",
    "walk": "trajectory",
}
KINDS = {"walk": "trajectory", "melt": "random_packing", "control": "random_validation"}
ENDINGS = {"untrusted": "uncertain"}


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Convert a store of one of `MIGRATED_VERSIONS`, in a transaction of the caller."""
    if version == 2:
        _rename(connection)
    _add_label_hashes(connection)


def _add_label_hashes(connection: sqlite3.Connection) -> None:
    """Protect the labels as they are from now on."""
    columns = f"job_id, sequence, created, {LABEL_COLUMNS}"
    rows = connection.execute(f"SELECT {columns} FROM labels ORDER BY sequence").fetchall()
    connection.execute("DROP TABLE labels")
    connection.execute(next(one for one in SCHEMA.split(";") if "CREATE TABLE labels" in one))
    marks = ", ".join("?" * (len(columns.split(", ")) + 1))
    new = [(*row, label_hash(row["job_id"], label_of_row(row))) for row in rows]
    connection.executemany(f"INSERT INTO labels ({columns}, sha256) VALUES ({marks})", new)


def _rename(connection: sqlite3.Connection) -> None:
    """From version 2 to 3: other names."""
    for table, name in (("structures", "origin"), ("selections", "details"), ("models", "metrics")):
        rows = connection.execute(f"SELECT rowid, {name} FROM {table}").fetchall()
        changed = [(canonical_json(renamed(json.loads(text))), rowid) for rowid, text in rows]
        connection.executemany(f"UPDATE {table} SET {name} = ? WHERE rowid = ?", changed)
    connection.execute("ALTER TABLE labels RENAME COLUMN rung TO attempt")
    connection.execute("ALTER TABLE attempts RENAME TO runs")
    connection.execute("ALTER TABLE runs RENAME COLUMN attempt TO run")
    connection.execute("UPDATE runs SET outcome = 'worker died' WHERE outcome = 'lost'")
    connection.execute("UPDATE runs SET outcome = 'failed' WHERE outcome = 'set aside'")
    connection.execute("UPDATE runs SET outcome = 'released' WHERE outcome = 'given back'")
    connection.execute("UPDATE events SET kind = 'failed' WHERE kind = 'set_aside'")
    connection.execute("UPDATE events SET kind = 'restarted' WHERE kind = 'lost'")
    connection.execute("UPDATE events SET kind = 'trajectory' WHERE kind = 'walk'")
    connection.execute("UPDATE events SET kind = 'blocked' WHERE kind = 'queue'")
    connection.execute("UPDATE events SET kind = 'resumed' WHERE kind = 'queue again'")
    _replace_jobs(connection)
    _replace_steps(connection)


def _replace_jobs(connection: sqlite3.Connection) -> None:
    """Other names of two columns and of a state: a constraint of the table, which cannot be altered."""
    rows = connection.execute(
        "SELECT id, structure_id, settings_id, replace(state, 'set_aside', 'failed'), session_id, priority, iteration, "
        "attempt, losses, reason, created, changed FROM jobs ORDER BY rowid"
    ).fetchall()
    connection.execute("DROP TABLE jobs")
    for statement in SCHEMA.split(";"):
        if "CREATE TABLE jobs" in statement or "ON jobs" in statement:
            connection.execute(statement)
    connection.executemany("INSERT INTO jobs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)


def _replace_steps(connection: sqlite3.Connection) -> None:
    rows = connection.execute("SELECT iteration, name, began, ended, seconds, result FROM steps ORDER BY rowid")
    new = [_step(*row) for row in rows.fetchall()]
    connection.execute("DROP TABLE steps")
    connection.execute(next(one for one in SCHEMA.split(";") if "CREATE TABLE steps" in one))
    connection.executemany("INSERT INTO steps VALUES (?, ?, ?, ?, ?, ?, ?)", new)


def _step(
    iteration: int, name: str, began: float, ended: float | None, seconds: float | None, result: str | None
) -> tuple[int, str, int, float, float | None, float | None, str | None]:
    name, _, number = name.partition("/")
    values = None if result is None else json.loads(result)
    if values and name == "explore":
        frames = [_frame(frame) for frame in values["frames"]]
        random_frame = None if values["control"] is None else _frame(values["control"])
        kind, _, reason = values["ended"].partition(": ")
        ending = {"kind": ENDINGS.get(kind, kind), "reason": reason}
        names = {"picoseconds": "picoseconds", "looks": "n_checks", "expected_share": "expected_fraction"}
        values = {new: values[old] for old, new in names.items()} | {
            "start": KINDS.get(values["kind"], values["kind"]),
            "frames": frames,
            "random_frame": random_frame,
            "ending": ending,
            "left_out": values["left_out"],
        }
    elif values:
        values = renamed(values)
    text = None if values is None else canonical_json(values)
    return iteration, name, int(number or 0), began, ended, seconds, text


def _frame(frame: dict[str, Any]) -> dict[str, Any]:
    details = {key: value for key, value in frame.items() if key != "structure"}
    return {"structure": frame["structure"], "details": renamed(details)}


def renamed(value: Any) -> Any:  # noqa: ANN401  # JSON
    """Value of version 2 with the keys and kinds of version 3."""
    if isinstance(value, list):
        return [renamed(one) for one in value]
    if not isinstance(value, dict):
        return value
    new = {KEYS.get(key, key): renamed(one) for key, one in value.items()}
    for key in ("kind", "start"):
        if key in new:
            new[key] = KINDS.get(new[key], new[key])
    return new
