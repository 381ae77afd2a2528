"""Frames that no DFT code should see: atoms in each other, exploded cells, numbers that are none."""

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols, covalent_radii

from mlpot.errors import DataError
from mlpot.neighbors.matscipy import neighbor_list

CLOSEST = 0.6
"""Least distance of two atoms over the sum of their covalent radii."""


def unphysical(atoms: Atoms, *, closest: float = CLOSEST, largest_volume: float = 1000.0) -> str | None:
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
    radii = covalent_radii[atoms.numbers]
    try:
        i, j, D, _ = neighbor_list(atoms, float(2 * closest * radii.max()))
    except DataError as error:
        return str(error)
    distances = np.linalg.norm(D, axis=1)
    ratios = distances / (radii[i] + radii[j])
    if len(ratios) == 0 or ratios.min() >= closest:
        return None
    worst = int(ratios.argmin())
    pair = f"{chemical_symbols[atoms.numbers[i[worst]]]}-{chemical_symbols[atoms.numbers[j[worst]]]}"
    return f"atoms {i[worst]} and {j[worst]} ({pair}) are {distances[worst]:.2f} A apart, {ratios[worst]:.2f} of a bond"
