"""Hashes that identify a DFT calculation (of the canonical structure, of the settings, of both) and protect its label.

The canonical form of a structure is rounded to 1e-8 A, the digits of extended XYZ, and DFT computes this form. So a
structure that was exported and read again has the same hash.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields

import numpy as np
from ase import Atoms

from mlpot.active_learning.store.records import Label
from mlpot.data.hashing import geometry_digest
from mlpot.data.structure import LabelledStructure
from mlpot.errors import DataError

DIGITS = 8
PER_ATOM = ("initial_magmoms", "initial_charges")
"""Initial values of a DFT calculation; they can determine the electronic state that it converges to."""


def canonical_atoms(atoms: Atoms) -> Atoms:
    """Reduce atoms to what determines a calculation: elements, positions, cell, pbc, initial moments and charges.

    Calculator, constraints and info are dropped.

    Raises
    ------
    DataError
        No atoms, or positions or a cell that are not finite.
    """
    if len(atoms) == 0:
        raise DataError("a structure to label needs at least one atom, got none")
    if not (np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell.array).all()):
        raise DataError("`positions` and `cell` must be finite, got NaN or infinity: leave this structure out")
    canonical = Atoms(
        numbers=atoms.numbers,
        positions=np.round(atoms.positions, DIGITS),
        cell=np.round(atoms.cell.array, DIGITS),
        pbc=atoms.pbc,
    )
    for name in PER_ATOM:
        if atoms.has(name) and np.any(atoms.get_array(name)):
            canonical.set_array(name, np.round(np.asarray(atoms.get_array(name), dtype=np.float64), DIGITS))
    return canonical


def structure_id(canonical: Atoms) -> str:
    """Hash of a canonical structure.

    Parameters
    ----------
    canonical : ase.Atoms
        From `canonical_atoms`. The order of the atoms matters, as forces have the same order.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    digest = hashlib.sha256(geometry_digest(LabelledStructure(canonical)))
    for name in PER_ATOM:
        if canonical.has(name):
            digest.update(name.encode() + np.ascontiguousarray(canonical.get_array(name), dtype="<f8").tobytes())
    return digest.hexdigest()


def canonical_json(content: Mapping[str, object]) -> str:
    """JSON of plain values with sorted keys."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def settings_id(content: Mapping[str, object]) -> str:
    """SHA-256 of the settings that determine a label, plain values, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()


def label_hash(job: str, label: Label) -> str:
    """SHA-256 of a label and its job, as 64 hexadecimal digits; it shows a change of any bit of them in the file."""
    values = {one.name: getattr(label, one.name) for one in fields(label) if one.name not in ("forces", "stress")}
    digest = hashlib.sha256(f"{job} {canonical_json(values)}".encode())
    for array in (label.forces, label.stress):
        digest.update(b"none" if array is None else np.ascontiguousarray(array, dtype="<f8").tobytes())
    return digest.hexdigest()


def job_id(structure: str, settings: str) -> str:
    """SHA-256 of a calculation, from the hashes of its structure and settings, as 64 hexadecimal digits."""
    return hashlib.sha256(f"{structure} {settings}".encode()).hexdigest()
