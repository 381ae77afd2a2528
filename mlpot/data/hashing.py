"""Fingerprints of structures and data sets: for splits, duplicates, and to see that a resumed run has the same data."""

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from mlpot.data.structure import LabelledStructure


def geometry_digest(structure: LabelledStructure) -> bytes:
    """Digest of numbers, positions, cell and pbc, in the order of the atoms; labels do not enter."""
    atoms = structure.atoms
    digest = hashlib.sha256(np.ascontiguousarray(atoms.numbers, dtype="<i8").tobytes())
    digest.update(_canonical(atoms.positions))
    digest.update(_canonical(atoms.cell.array))
    digest.update(np.ascontiguousarray(atoms.pbc, dtype=np.uint8).tobytes())
    return digest.digest()


def structure_digest(structure: LabelledStructure) -> bytes:
    """Digest of the geometry, the labels, the weight and the config_type."""
    digest = hashlib.sha256(geometry_digest(structure))
    for label in (structure.energy, structure.forces, structure.stress):
        digest.update(b"-" if label is None else b"+" + _canonical(np.asarray(label)))
    digest.update(_canonical(np.asarray(structure.weight)))
    digest.update(structure.config_type.encode())
    return digest.digest()


def dataset_hash(structures: Iterable[LabelledStructure]) -> str:
    """Fingerprint of a data set: numbers, positions, cells, pbc, labels, weights, config_types.

    The order of the structures counts, because it decides the batches of a training run.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for structure in structures:
        digest.update(structure_digest(structure))
    return digest.hexdigest()


def _canonical(array: NDArray[np.float64]) -> bytes:
    """Bytes of an array that do not depend on the machine, with one kind of zero."""
    return (np.ascontiguousarray(array, dtype="<f8") + 0.0).tobytes()
