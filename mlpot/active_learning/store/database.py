"""The SQLite file below the store: checks on opening, transactions, and readable errors.

Write-ahead log, every commit synced to the disk, foreign keys on. Several processes may write: each waits for the
others' transactions, which are short. The log needs shared memory, so all of them must be on one machine; workers
on other machines write result files instead. The log is moved into the file often (`Database.checkpoint`).
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlpot.active_learning.store.migrate import MIGRATED_VERSIONS, migrate
from mlpot.active_learning.store.schema import APPLICATION_ID, SCHEMA, SCHEMA_VERSION
from mlpot.errors import StoreError
from mlpot.running.atomic_write import replace_atomically

BUSY_TIMEOUT = 60.0  # s
Value = str | int | float | bytes | None
Row = sqlite3.Row


class Database:
    """Connection to a store's file.

    Parameters
    ----------
    path : Path
    create : bool
        Make a missing file; otherwise a missing file is an error.

    Raises
    ------
    StoreError
        A file that is missing, not a store, of another version that cannot be converted, or damaged.
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self.path = path
        if not create and not path.is_file():
            raise StoreError(f"no store of active learning at {path}: `mlpot active run` makes one")
        with self._errors():
            mode = "rwc" if create else "rw"
            uri = f"{path.absolute().as_uri()}?mode={mode}"
            self._connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY_TIMEOUT)
            self._connection.row_factory = sqlite3.Row
            try:
                self._prepare(create)
            except BaseException:
                self._connection.close()
                raise

    def _prepare(self, create: bool) -> None:
        application, version = self._pragma("application_id"), self._pragma("user_version")
        if application == 0 and version == 0 and create and not self._names():
            self._pragma("journal_mode = WAL")
            self._make_tables()
            application, version = self._pragma("application_id"), self._pragma("user_version")
        if application != APPLICATION_ID:
            raise StoreError(_no_store(self.path, is_empty=not self._names()))
        if version in MIGRATED_VERSIONS:
            self._migrate()
        elif version != SCHEMA_VERSION:
            raise StoreError(
                f"{self.path} has version {version} of the store, expected {SCHEMA_VERSION}: "
                "use the version of mlpot that wrote it"
            )
        self._pragma("synchronous = FULL")
        self._pragma("foreign_keys = ON")
        problems = [row[0] for row in self._connection.execute("PRAGMA quick_check(3)") if row[0] != "ok"]
        if problems:
            raise StoreError(damaged(self.path, "; ".join(problems)))
        if self._pragma("journal_mode") == "wal":
            self.checkpoint()
        else:  # a backup
            self._pragma("journal_mode = WAL")

    def _migrate(self) -> None:
        """Convert a store of an older version, all or nothing."""
        with self.transaction():
            version = self._pragma("user_version")
            if version == SCHEMA_VERSION:
                return  # another process converted it
            if self._connection.execute("SELECT count(*) FROM jobs WHERE state = 'running'").fetchone()[0]:
                raise StoreError(
                    f"{self.path} has version {version} of the store, and calculations in it are running: "
                    "let the version of mlpot that started them finish, then start again"
                )
            migrate(self._connection, version)
            self._pragma(f"user_version = {SCHEMA_VERSION}")

    def _make_tables(self) -> None:
        with self.transaction():  # a second process that creates the same file waits here, and then finds the tables
            if not self._names():
                for statement in SCHEMA.split(";"):
                    self._connection.execute(statement)
                self._pragma(f"application_id = {APPLICATION_ID}")
                self._pragma(f"user_version = {SCHEMA_VERSION}")

    def _names(self) -> list[str]:
        return [row[0] for row in self._connection.execute("SELECT name FROM sqlite_master")]

    def _pragma(self, text: str) -> Any:  # noqa: ANN401  # number or text
        rows = self._connection.execute(f"PRAGMA {text}").fetchall()
        return rows[0][0] if rows else None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write everything inside or nothing; it is on the disk afterwards. May be nested."""
        if self._connection.in_transaction:
            yield
            return
        with self._errors():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # some errors have rolled back already
                    self._connection.execute("ROLLBACK")
                raise

    def write(self, sql: str, values: Sequence[Value] = ()) -> int:
        """Run one statement in a transaction and return the number of changed rows."""
        with self.transaction():
            return self._connection.execute(sql, values).rowcount

    def rows(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        """All rows of a query."""
        with self._errors():
            return self._connection.execute(sql, values).fetchall()

    def row(self, sql: str, values: Sequence[Value] = ()) -> Row | None:
        """First row of a query, or None."""
        rows = self.rows(sql, values)
        return rows[0] if rows else None

    def number(self, sql: str, values: Sequence[Value] = ()) -> float:
        """Single number of a query; 0 for NULL."""
        return float(self.rows(sql, values)[0][0] or 0)

    def checkpoint(self) -> None:
        """Move the write-ahead log into the file, as far as others do not read it: a copy of the file has it then."""
        if not self._connection.in_transaction:
            with self._errors():
                self._pragma("wal_checkpoint(PASSIVE)")

    def back_up(self, target: Path) -> None:
        """Write a consistent copy to a file that appears when it is complete; others may go on writing meanwhile."""
        with replace_atomically(target) as partial, self._errors(target):
            self._connection.execute("VACUUM INTO ?", (str(partial),))

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    @contextmanager
    def _errors(self, path: Path | None = None) -> Iterator[None]:
        """Turn SQLite's errors into `StoreError`; `path` is the file that is written, if it is another."""
        try:
            yield
        except sqlite3.IntegrityError:
            raise  # an error of the program, not of the file or the machine
        except sqlite3.DatabaseError as error:
            raise StoreError(_sentence(path or self.path, str(error))) from error


def damaged(path: Path, problem: str) -> str:
    """Error message for a damaged file."""
    return (
        f"{path} is damaged ({problem}): restore it from a backup (`mlpot active backup`), or recover its readable "
        f"parts with `sqlite3 {path.name} .recover`; the raw outputs beside it are not affected"
    )


def _no_store(path: Path, *, is_empty: bool) -> str:
    """Error message for another SQLite file."""
    if is_empty:
        return (
            f"{path} is not a store of active learning, but empty: a copy that was made while the store was used lacks "
            f"what is in the file *.db-wal beside the original; copy it with `mlpot active backup`"
        )
    return f"{path} is not a store of active learning, but another SQLite file: name another"


def _sentence(path: Path, problem: str) -> str:
    if "not a database" in problem:
        return f"{path} is not a store of active learning: {problem}"
    if "malformed" in problem or "corrupt" in problem:
        return damaged(path, problem)
    if "full" in problem or "disk I/O" in problem:
        return (
            f"{path} cannot be written, the disk is full or fails ({problem}): no stored data are lost; "
            "free space and start again"
        )
    if "locked" in problem:
        return f"{path} has been locked by another process for {BUSY_TIMEOUT:.0f} s: end that process and start again"
    return f"{path} cannot be used: {problem}"
