"""The SQLite file below the store: opening with checks, transactions, and errors that a person can read.

Write-ahead log, every commit synced to the disk, foreign keys on. Several processes may write: each waits for the
others' transactions, which are short. The log needs shared memory, so all of them must be on one machine; workers
on other machines leave result files instead.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mlpot.active_learning.store.schema import APPLICATION_ID, SCHEMA, SCHEMA_VERSION
from mlpot.errors import StoreError

BUSY_TIMEOUT = 60.0  # s
Value = str | int | float | bytes | None
Row = sqlite3.Row


class Database:
    """Connection to a store's file.

    Parameters
    ----------
    path : Path
    create : bool
        Make the file where there is none; otherwise that is an error.

    Raises
    ------
    StoreError
        No file, a file that is not a store, of a newer version, or damaged.
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
            raise StoreError(f"{self.path} is not a store of active learning, but another SQLite file: name another")
        if version != SCHEMA_VERSION:
            raise StoreError(
                f"{self.path} has version {version} of the store, expected {SCHEMA_VERSION}: "
                "use the mlpot that wrote it"
            )
        self._pragma("synchronous = FULL")
        self._pragma("foreign_keys = ON")
        problems = [row[0] for row in self._connection.execute("PRAGMA quick_check(3)") if row[0] != "ok"]
        if problems:
            raise StoreError(damaged(self.path, "; ".join(problems)))

    def _make_tables(self) -> None:
        with self.transaction():  # a second process that creates the same file waits here, and finds it made
            if not self._names():
                for statement in SCHEMA.split(";"):
                    self._connection.execute(statement)
                self._pragma(f"application_id = {APPLICATION_ID}")
                self._pragma(f"user_version = {SCHEMA_VERSION}")

    def _names(self) -> list[str]:
        return [row[0] for row in self._connection.execute("SELECT name FROM sqlite_master")]

    def _pragma(self, text: str) -> object:
        row = self._connection.execute(f"PRAGMA {text}").fetchone()
        return None if row is None else row[0]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing of what is written inside; on the disk when it returns. May be nested.

        Yields
        ------
        None
        """
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
        """Run one statement in a transaction.

        Parameters
        ----------
        sql : str
        values : sequence

        Returns
        -------
        int
            Rows changed.
        """
        with self.transaction():
            return self._connection.execute(sql, values).rowcount

    def rows(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        """All rows of a query.

        Parameters
        ----------
        sql : str
        values : sequence

        Returns
        -------
        list of sqlite3.Row
        """
        with self._errors():
            return self._connection.execute(sql, values).fetchall()

    def row(self, sql: str, values: Sequence[Value] = ()) -> Row | None:
        """First row of a query, if there is one."""
        rows = self.rows(sql, values)
        return rows[0] if rows else None

    def number(self, sql: str, values: Sequence[Value] = ()) -> float:
        """Single number of a query; 0 where it is NULL."""
        return float(self.rows(sql, values)[0][0] or 0)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Word SQLite's errors for people."""
        try:
            yield
        except sqlite3.IntegrityError:
            raise  # a mistake of the program, not of the file or the machine
        except sqlite3.DatabaseError as error:
            raise StoreError(_sentence(self.path, str(error))) from error


def damaged(path: Path, problem: str) -> str:
    """Sentence about a file that does not hold together.

    Parameters
    ----------
    path : Path
    problem : str

    Returns
    -------
    str
    """
    return (
        f"{path} is damaged ({problem}): restore it from a copy, or save what can be saved with "
        f"`sqlite3 {path.name} .recover`; the raw outputs beside it are not touched"
    )


def _sentence(path: Path, problem: str) -> str:
    if "not a database" in problem:
        return f"{path} is not a store of active learning: {problem}"
    if "malformed" in problem or "corrupt" in problem:
        return damaged(path, problem)
    if "full" in problem or "disk I/O" in problem:
        return (
            f"{path} cannot be written, the disk is full or fails ({problem}): nothing of it is lost; "
            "free space and start again"
        )
    if "locked" in problem:
        return f"{path} has been locked by another process for {BUSY_TIMEOUT:.0f} s: end that process and start again"
    return f"{path} cannot be used: {problem}"
