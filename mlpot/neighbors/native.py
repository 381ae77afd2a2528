"""Verlet list of the native engine, in C++.

Data flow: ASE atoms -> `NativeVerletList.of` -> `mlpot._native.NeighborList` -> `engines.native`. Arrays of the
size of the pairs stay in C++. The search finds the same pairs as `matscipy.neighbor_list`.
"""

from typing import TYPE_CHECKING

from ase import Atoms

from mlpot.errors import DataError
from mlpot.neighbors.matscipy import COINCIDENT, FloatArray, refuse_coincident, search_cell
from mlpot.neighbors.verlet import VerletCriterion

if TYPE_CHECKING:
    from mlpot._native import NeighborList


class NativeVerletList:
    """Verlet list for one moving structure.

    Parameters
    ----------
    cutoff : float, A
    skin : float, A
        0 builds a new list at every call.

    Attributes
    ----------
    n_builds : int
        Number of builds.
    """

    def __init__(self, cutoff: float, skin: float) -> None:
        self._criterion = VerletCriterion(cutoff, skin)
        # Margin for pairs exactly at the cutoff; the engine checks them.
        self._radius = (cutoff + skin) * (1.0 + 1e-9)
        self._list: NeighborList | None = None
        self._cell: FloatArray | None = None  # that the images of the list are placed in
        self.n_builds = 0

    def of(self, atoms: Atoms) -> "NeighborList":
        """Every pair inside the cutoff, and some beyond it, in order of (i, j, S); valid until the next call.

        Raises
        ------
        DataError
            As for `matscipy.neighbor_list`.
        """
        if self._list is None or not self._criterion.covers(atoms):
            self._list = self._build(atoms)
        elif self._cell is None or (atoms.cell.array != self._cell).any():
            self._place(self._list, atoms)
        if self._criterion.closest < 2.0 * COINCIDENT:
            closest_distance(self._list, atoms)
        return self._list

    def _build(self, atoms: Atoms) -> "NeighborList":
        self._criterion.forget()
        neighbors = self._list = native_neighbor_list(atoms, self._radius)
        self._place(neighbors, atoms)
        self._criterion.restart(atoms, closest_distance(neighbors, atoms))
        self.n_builds += 1
        return neighbors

    def _place(self, neighbors: "NeighborList", atoms: Atoms) -> None:
        self._cell = None  # until they are placed
        cell = atoms.cell.array.copy()
        neighbors.place_images(cell)
        self._cell = cell


def native_neighbor_list(atoms: Atoms, cutoff: float) -> "NeighborList":
    """Full neighbor list for any cell and periodicity.

    Raises
    ------
    DataError
        As for `matscipy.search_cell`.
    """
    from mlpot._native import NeighborList  # noqa: PLC0415  # there may be none

    cell = search_cell(atoms, cutoff)
    try:
        return NeighborList.search(atoms.positions, cell, atoms.pbc.tolist(), cutoff)
    except ValueError as error:
        raise DataError(f"no neighbor list can be built: {error}; the cell is {cell.tolist()} A") from error


def closest_distance(neighbors: "NeighborList", atoms: Atoms) -> float:
    """Distance of the two closest atoms in a list, A; infinite for an empty one.

    Raises
    ------
    DataError
        Two atoms at the same place.
    """
    distance, i, j = neighbors.closest_pair(atoms.positions)
    if distance < COINCIDENT:
        refuse_coincident(atoms, i, j)
    return float(distance)
