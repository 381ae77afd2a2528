"""Frames that no DFT code should see: atoms in each other, exploded cells, numbers that are none."""

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols

from mlpot.errors import DataError
from mlpot.neighbors.overlap import CLOSEST_FOR_DFT, find_overlap


def unphysical(atoms: Atoms, *, closest: float = CLOSEST_FOR_DFT, largest_volume: float = 1000.0) -> str | None:
    """Say why a frame should not be labelled.

    Parameters
    ----------
    atoms : ase.Atoms
    closest : float
        Pairs nearer than this part of the sum of covalent radii.
    largest_volume : float, A^3
        Per atom, of a cell that is periodic in three directions.

    Returns
    -------
    str or None
        The reason; None for a frame that may be labelled.
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
    return f"atoms {i} and {j} ({pair}) are {distance:.2f} A apart, {closest * distance / limit:.2f} of a bond"
