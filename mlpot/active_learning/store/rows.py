"""Rows of SQL to structures and labels, and arrays to bytes."""

from sqlite3 import Row

import numpy as np
from ase import Atoms

from mlpot.active_learning.store.identity import label_hash
from mlpot.active_learning.store.records import Label
from mlpot.data.structure import FloatArray

PBC_BITS = np.array([1, 2, 4])
LABEL_COLUMNS = "energy, energy_kind, forces, stress, attempt, seconds, host, code_version, raw_file, raw_sha256"


def as_bytes(array: object) -> bytes:
    """Array as little-endian float64."""
    return np.ascontiguousarray(array, dtype="<f8").tobytes()


def floats(blob: bytes, *shape: int) -> FloatArray:
    """Array of `as_bytes`."""
    return np.frombuffer(blob, dtype="<f8").reshape(shape).astype(np.float64)


def atoms_of_row(row: Row) -> Atoms:
    """Structure in a row of the table `structures`."""
    atoms = Atoms(
        numbers=np.frombuffer(row["numbers"], dtype="<i8"),
        positions=floats(row["positions"], -1, 3),
        cell=floats(row["cell"], 3, 3),
        pbc=(row["pbc"] & PBC_BITS) > 0,
    )
    if row["magmoms"] is not None:
        moments = floats(row["magmoms"], len(atoms), -1)
        atoms.set_initial_magnetic_moments(moments[:, 0] if moments.shape[1] == 1 else moments)
    if row["charges"] is not None:
        atoms.set_initial_charges(floats(row["charges"], -1))
    return atoms


def label_of_row(row: Row) -> Label:
    """Label in a row of the table `labels`."""
    values = {name: row[name] for name in LABEL_COLUMNS.split(", ")}
    stress = None if row["stress"] is None else floats(row["stress"], 3, 3)
    return Label(**{**values, "forces": floats(row["forces"], -1, 3), "stress": stress})


def has_changed(row: Row) -> bool:
    """Whether a row of the table `labels` differs from the label that was added."""
    try:
        return bool(label_hash(row["job_id"], label_of_row(row)) != row["sha256"])
    except (TypeError, ValueError):  # bytes that are no array of this shape, text that is no UTF-8
        return True
