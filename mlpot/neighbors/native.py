"""The neighbour list of the native engine: searched in C++, kept there, and looked at by the engine itself.

Data flow: ASE atoms -> `SkinRows.rows` -> `mlpot._native.NeighborList` -> `engine`. No array of the size of the pairs
passes through Python. The search takes what `neighbors.neighbor_list` takes and finds the same pairs.
"""

from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms

from mlpot.errors import DataError
from mlpot.neighbors.matscipy import COINCIDENT, refuse_coincident, search_cell
from mlpot.neighbors.verlet import Skin

if TYPE_CHECKING:
    from mlpot._native import NeighborList


class SkinRows:
    """Neighbour list with a skin, for one structure that moves.

    Parameters
    ----------
    cutoff : float, A
    skin : float, A
        0 builds a new list at every call.

    Attributes
    ----------
    n_builds : int
        How often the list was built.
    """

    def __init__(self, cutoff: float, skin: float) -> None:
        self._skin = Skin(cutoff, skin)
        # Room for pairs exactly at the cutoff, which the engine decides on.
        self._reach = (cutoff + skin) * (1.0 + 1e-9)
        self._rows: NeighborList | None = None
        self._cell = np.zeros((3, 3))
        self.n_builds = 0

    def rows(self, atoms: Atoms) -> "NeighborList":
        """Every pair inside the cutoff, and some beyond it, in order of (i, j, S).

        Parameters
        ----------
        atoms : ase.Atoms

        Returns
        -------
        mlpot._native.NeighborList
            Changed by the next call.

        Raises
        ------
        DataError
            What `neighbors.neighbor_list` refuses.
        """
        if self._rows is None or not self._skin.covers(atoms):
            self._rows = self._build(atoms)
        elif (atoms.cell.array != self._cell).any():
            self._place(self._rows, atoms)
        if self._skin.closest < 2.0 * COINCIDENT:
            closest_distance(self._rows, atoms)
        return self._rows

    def _build(self, atoms: Atoms) -> "NeighborList":
        self._skin.forget()
        rows = search_rows(atoms, self._reach)
        self._place(rows, atoms)
        self._skin.restart(atoms, closest_distance(rows, atoms))
        self.n_builds += 1
        return rows

    def _place(self, rows: "NeighborList", atoms: Atoms) -> None:
        self._cell = atoms.cell.array.copy()
        rows.place_images(self._cell)


def search_rows(atoms: Atoms, cutoff: float) -> "NeighborList":
    """Full neighbour list.

    Parameters
    ----------
    atoms : ase.Atoms
        Of any cell and periodicity, as for `neighbors.neighbor_list`.
    cutoff : float, A

    Returns
    -------
    mlpot._native.NeighborList

    Raises
    ------
    DataError
        Positions or cell that are not finite, a periodic direction without volume, a cell far too small.
    """
    from mlpot._native import NeighborList  # noqa: PLC0415  # there may be none

    cell = search_cell(atoms)
    try:
        return NeighborList.search(atoms.positions, cell, atoms.pbc.tolist(), cutoff)
    except ValueError as error:
        raise DataError(f"no neighbour list can be made: {error}; the cell is {cell.tolist()} A") from error


def closest_distance(rows: "NeighborList", atoms: Atoms) -> float:
    """Distance of the two closest atoms in a list, A; infinite for an empty one.

    Parameters
    ----------
    rows : mlpot._native.NeighborList
    atoms : ase.Atoms

    Returns
    -------
    float, A

    Raises
    ------
    DataError
        Two atoms at the same place.
    """
    distance, i, j = rows.closest_pair(atoms.positions)
    if distance < COINCIDENT:
        refuse_coincident(atoms, i, j)
    return float(distance)
