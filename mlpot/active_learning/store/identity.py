"""What makes a DFT calculation the same calculation: canonical structure and settings, and their hashes.

The canonical form of a structure is rounded to 1e-8 A, the digits of extended XYZ, and it is this form that is
computed: what was exported and read again is known to have been computed.
"""

import hashlib
import json
from collections.abc import Mapping

import numpy as np
from ase import Atoms

from mlpot.data.hashing import geometry_digest
from mlpot.data.structure import LabelledStructure
from mlpot.errors import DataError

DIGITS = 8
PER_ATOM = ("initial_magmoms", "initial_charges")
"""Arrays that a DFT code starts from, and that may decide which state it finds."""


def canonical_atoms(atoms: Atoms) -> Atoms:
    """Reduce atoms to what decides a calculation: elements, positions, cell, pbc, initial moments and charges.

    Parameters
    ----------
    atoms : ase.Atoms

    Returns
    -------
    ase.Atoms
        Without calculator, constraints, info.

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
        Of `canonical_atoms`. The order of the atoms counts, because forces come in it.

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
    """Text of plain values that does not depend on the order of keys.

    Parameters
    ----------
    content : mapping

    Returns
    -------
    str
    """
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def settings_id(content: Mapping[str, object]) -> str:
    """Hash of the settings that decide a label.

    Parameters
    ----------
    content : mapping
        Plain values.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()


def job_id(structure: str, settings: str) -> str:
    """Hash of a calculation.

    Parameters
    ----------
    structure, settings : str
        Hashes of both.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    return hashlib.sha256(f"{structure} {settings}".encode()).hexdigest()
