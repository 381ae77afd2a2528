"""Structures on disk, read one at a time: sets larger than memory, in ASE's SQLite database.

`write_store` makes a store in which the labels are settled once; `StructureStore` reads it, or any ASE database,
as a ``Sequence[LabelledStructure]``. Nothing stays open between reads, so a store can be pickled and forked.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import ase.db
import ase.io.formats
import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from mlpot.data.label_report import LabelReport
from mlpot.data.labels import LabelFinder
from mlpot.data.structure import FloatArray, LabelledStructure, Subset
from mlpot.errors import DataError
from mlpot.running.outputs import check_output_file

DATABASES = (".db",)  # ase's SQLite
STORE_KEY = "mlpot_store"
STORE_VERSION = 1
TO_VOIGT = ((0, 1, 2, 1, 0, 0), (0, 1, 2, 2, 2, 1))


class StructureStore(Sequence[LabelledStructure]):
    """Random access to an ASE database without loading it.

    Opening a store made by `write_store` reads the account of its labels; any other database is scanned once.

    Parameters
    ----------
    path : path
    index : str, int or slice
        Rows to take, in ASE's notation.
    finder : LabelFinder
        How labels are found.
    strict : bool
        As in `read_structures`.

    Attributes
    ----------
    report : LabelReport
    """

    def __init__(
        self,
        path: str | Path,
        *,
        index: str | int | slice = ":",
        finder: LabelFinder | None = None,
        strict: bool = True,
    ) -> None:
        self.path = Path(path)
        self._finder = finder or LabelFinder()
        self._db, ids = _open(self.path)
        parsed = ase.io.formats.string2index(index) if isinstance(index, str) else index
        self._ids = np.atleast_1d(ids[parsed])
        if len(self._ids) == 0:
            raise DataError(f"expected at least one structure in {path} (index {index!r}), got none")
        metadata = self._db.metadata.get(STORE_KEY, {})
        if metadata.get("version", STORE_VERSION) > STORE_VERSION:
            raise DataError(f"{path} was written by a newer mlpot (store version {metadata['version']}): update mlpot")
        whole = len(self._ids) == metadata.get("report", {}).get("n_frames") == len(ids)
        if whole and not self._finder.keys and not self._finder.required:
            self.report = LabelReport.from_dict(metadata["report"])
        else:
            self.report = self._scan(strict)

    def _scan(self, strict: bool) -> LabelReport:
        for row in self._ids:
            self._finder.labelled(self._atoms(row))
        return self._finder.finish(strict=strict)

    def _atoms(self, row: int) -> Atoms:
        return atoms_of_row(self._db.get(id=int(row)))

    def __len__(self) -> int:
        return len(self._ids)

    @overload
    def __getitem__(self, index: int) -> LabelledStructure: ...
    @overload
    def __getitem__(self, index: slice) -> Subset: ...
    def __getitem__(self, index: int | slice) -> LabelledStructure | Subset:
        if isinstance(index, slice):
            return Subset(self, range(len(self))[index])
        fresh = LabelFinder(self._finder.keys, (), self._finder.group_key)
        return fresh.labelled(self._atoms(self._ids[index]))

    def __iter__(self) -> Iterator[LabelledStructure]:
        return (self[i] for i in range(len(self)))


def write_store(structures: Iterable[LabelledStructure], path: str | Path, report: LabelReport) -> StructureStore:
    """Write structures to a new ASE database, one at a time; a store is complete or not there.

    Parameters
    ----------
    structures : iterable of LabelledStructure
    path : path
        Must not exist; ends in ``.db``.
    report : LabelReport
        Account of the labels, kept in the database; read after the last structure was taken.

    Returns
    -------
    StructureStore
    """
    target = Path(path)
    check_output_file(target, DATABASES, overwrite=False)
    partial = target.with_name(f".{target.name}.partial")
    partial.unlink(missing_ok=True)
    try:
        with ase.db.connect(partial, type="db", use_lock_file=False) as database:
            for structure in structures:
                atoms = structure.atoms.copy()
                atoms.calc = SinglePointCalculator(atoms, **_results(structure))
                info = {**structure.atoms.info, "config_type": structure.config_type, "weight": structure.weight}
                database.write(atoms, data={"info": _storable(info)})
            if len(database) == 0:
                raise DataError("there are no structures to write: the source is empty")
            database.metadata = {STORE_KEY: {"version": STORE_VERSION, "report": report.as_dict()}}
        partial.rename(target)
    finally:
        partial.unlink(missing_ok=True)
    return StructureStore(target)


def iterate_database(path: str | Path) -> Iterator[Atoms]:
    """Rows of an ASE database as atoms, one at a time, in the order of their ids.

    Yields
    ------
    ase.Atoms
    """
    database, ids = _open(Path(path))
    for row in ids:
        yield atoms_of_row(database.get(id=int(row)))


def atoms_of_row(row: Any) -> Atoms:  # noqa: ANN401  # ase has no types
    """Atoms of a database row with everything that may be a label in the calculator or in `info`."""
    atoms = row.toatoms()
    atoms.set_constraint()
    data = dict(row.data)
    # Our own rows keep `info` apart, so that its keys need not be fit for SQL.
    atoms.info = {**row.key_value_pairs, **data.pop("info", {}), **data}
    return atoms


def _results(structure: LabelledStructure) -> dict[str, float | FloatArray]:
    results: dict[str, float | FloatArray | None] = {"energy": structure.energy, "forces": structure.forces}
    if structure.stress is not None:
        results["stress"] = structure.stress[TO_VOIGT]
    return {label: value for label, value in results.items() if value is not None}


def _storable(value: object) -> object:
    """Value of `info` as ASE's database can hold it: numbers, arrays of numbers, texts; anything else as text."""
    if isinstance(value, dict):
        return {_storable_key(str(key)): _storable(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(part) for part in value]
    if isinstance(value, np.ndarray):
        return value if value.dtype.kind in "biufc" else _storable(value.tolist())
    if isinstance(value, np.generic):
        value = value.item()
    return value if value is None or isinstance(value, bool | int | float | complex | str) else str(value)


def _storable_key(key: str) -> str:
    """Key that the database does not take for one of its own marks, such as ``__ndarray__``."""
    return key.strip("_") if key.startswith("__") else key


def refuse_what_is_no_file(path: Path) -> None:
    """Raise a `DataError` where a path is missing or a folder."""
    if path.is_dir():
        raise DataError(f"{path} is a folder: expected a file with structures, or a list of such files")
    if not path.is_file():
        raise DataError(f"no such file: {path}")


def _open(path: Path) -> tuple[Any, np.ndarray[Any, np.dtype[np.int64]]]:
    refuse_what_is_no_file(path)
    try:
        database = ase.db.connect(path, use_lock_file=False)
        ids = [row.id for row in database.select(columns=["id"], include_data=False)]
    except Exception as error:  # sqlite3 and ase raise several kinds for what is not a database
        raise DataError(f"cannot read {path} as an ASE database: {type(error).__name__}: {error}") from error
    return database, np.array(ids, dtype=np.int64)
