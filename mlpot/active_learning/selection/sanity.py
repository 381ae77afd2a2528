"""Finds frames that no DFT code should compute: overlapping atoms, exploded cells, values that are not finite."""

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols

from mlpot.errors import DataError
from mlpot.neighbors.overlap import CLOSEST_FOR_DFT, find_overlap


def unphysical(atoms: Atoms, *, closest: float = CLOSEST_FOR_DFT, largest_volume: float = 1000.0) -> str | None:
    """Reason why a frame should not be labelled, or None.

    Parameters
    ----------
    atoms : ase.Atoms
    closest : float
        Smallest allowed distance over the sum of covalent radii.
    largest_volume : float, A^3
        Per atom, of a cell that is periodic in three directions.

    Examples
    --------
    >>> from ase.build import bulk, molecule
    >>> unphysical(bulk("Cu")) is None
    True
    >>> water = molecule("H2O")
    >>> water.positions[1] = water.positions[0] + [0.0, 0.0, 0.3]
    >>> unphysical(water)
    'atoms 0 and 1 (O-H) are 0.30 A apart, 0.31 of the sum of their covalent radii'
    """
    if not (np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell.array).all()):
        return "positions or cell are not finite: the dynamics failed"
    if atoms.pbc.all() and not 1.0 < atoms.get_volume() / len(atoms) < largest_volume:
        return f"{atoms.get_volume() / len(atoms):.3g} A^3 for each atom: the cell collapsed or exploded"
    try:
        overlap = find_overlap(atoms, closest)
    except DataError as error:
        return str(error)
    if overlap is None:
        return None
    i, j, distance, limit = overlap
    pair = f"{chemical_symbols[atoms.numbers[i]]}-{chemical_symbols[atoms.numbers[j]]}"
    return (
        f"atoms {i} and {j} ({pair}) are {distance:.2f} A apart, {closest * distance / limit:.2f} of the sum of their "
        "covalent radii"
    )
