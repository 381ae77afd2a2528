"""When a neighbour list must be built anew, and the list of the torch engine, which lives by that rule.

A list is built with cutoff + skin. As long as no pair inside the cutoff can be missing from it, it is kept, and the
pairs beyond the cutoff are left out, so that the answer is that of a fresh list. Stored pairs are ordered by (i, j, S),
so even the order of the edges, and with it the rounding of every sum, does not depend on when the list was built.

When the list still holds. Let p0, h0 be positions and cell at the build, p, h those now, and F the deformation with
``h = h0 @ F`` for the periodic cell vectors. What moved beside the deformation is ``u_i = p_i - p0_i @ F``. A pair at
``d`` now was at ``d0`` with ``d = d0 @ F + u_j - u_i``, so ``|d0| <= (cutoff + 2 max|u|) * norm(F^-1)``. While the
right-hand side stays below cutoff + skin, every pair inside the cutoff is in the list. For a fixed cell this is the
textbook rule: no atom moved by more than skin / 2. Only differences of u count, so its mean may be taken off. In the
same way ``|d| >= |d0| / norm(F^-1) - 2 max|u|`` says how close two atoms can have come, without looking at the pairs.
"""

from typing import NamedTuple

import numpy as np
from ase import Atoms

from mlpot.errors import ConfigError
from mlpot.neighbors.matscipy import COINCIDENT, FloatArray, IntArray, neighbor_list


class _Reference(NamedTuple):
    """What a list was built from, and the distance of the two closest atoms then, A."""

    positions: FloatArray
    cell: FloatArray
    pbc: FloatArray
    closest: float


class Skin:
    """The rule by which a neighbour list is kept or built anew.

    Parameters
    ----------
    cutoff : float, A
    width : float, A
        By how much the list reaches beyond the cutoff; 0 builds a new list at every call.

    Attributes
    ----------
    closest : float, A
        No two atoms are closer than this, as far as the rule can tell.
    """

    def __init__(self, cutoff: float, width: float) -> None:
        if not (np.isfinite(width) and width >= 0):
            raise ConfigError(f"`skin` must be a finite number >= 0 (in A), got {width}: 0.3 to 1.0 is usual")
        self.cutoff = cutoff
        self.width = width
        self.closest = 0.0
        self._reference: _Reference | None = None

    def restart(self, atoms: Atoms, closest: float = 0.0) -> None:
        """Take note that the list was built.

        Parameters
        ----------
        atoms : ase.Atoms
        closest : float, A
            Distance of the two closest atoms, if known.
        """
        self.closest = closest
        self._reference = _Reference(atoms.positions.copy(), atoms.cell.array.copy(), atoms.pbc.copy(), closest)

    def forget(self) -> None:
        """Take note that there is no list."""
        self._reference = None

    def covers(self, atoms: Atoms) -> bool:
        """Whether every pair inside the cutoff is certainly in the list.

        Parameters
        ----------
        atoms : ase.Atoms

        Returns
        -------
        bool
            False for anything that is not finite.
        """
        positions, cell, pbc = atoms.positions, atoms.cell.array, atoms.pbc
        reference = self._reference
        if reference is None or len(positions) != len(reference.positions) or (pbc != reference.pbc).any():
            return False
        smallest, moved = 1.0, reference.positions
        if (cell != reference.cell).any():
            deformation = _deformation(reference.cell[pbc], cell[pbc])
            if not (np.isfinite(cell).all() and np.isfinite(deformation).all()):
                return False
            smallest = float(np.linalg.svd(deformation, compute_uv=False)[-1])
            if smallest < 0.5:
                return False
            moved = moved @ deformation
        displacements = positions - moved
        if self._allows(displacements, smallest):
            return True
        # Where everything moved together. The mean is the dearer test, and seldom needed.
        return len(positions) > 0 and self._allows(displacements - displacements.mean(axis=0), smallest)

    def _allows(self, displacements: FloatArray, smallest: float) -> bool:
        farthest = float(np.einsum("ij,ij->i", displacements, displacements).max(initial=0.0)) ** 0.5
        if self._reference is not None:
            self.closest = smallest * self._reference.closest - 2.0 * farthest
        # The factor leaves room for the rounding of this estimate itself.
        return bool(self.cutoff + 2.0 * farthest < smallest * (self.cutoff + self.width) * (1.0 - 1e-12))


def _deformation(before: FloatArray, after: FloatArray) -> FloatArray:
    """Smallest F, (3, 3), with ``after = before @ F``; directions without a periodic vector stay as they are."""
    change: FloatArray = np.linalg.pinv(before) @ (after - before)
    return np.eye(3) + change


class SkinNeighborList:
    """Neighbour list with a skin, equal to a fresh `neighbor_list` at every call.

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
        self.n_builds = 0
        self._edge_index = np.zeros((2, 0), dtype=np.int64)
        self._shifts = np.zeros((0, 3), dtype=np.int64)
        self._offset_cell: FloatArray | None = None
        self._offsets = np.zeros((0, 3))

    def edges(self, atoms: Atoms) -> tuple[IntArray, FloatArray]:
        """Pairs inside the cutoff.

        Parameters
        ----------
        atoms : ase.Atoms
            What `neighbor_list` takes.

        Returns
        -------
        edge_index : (2, n_edges)
            Centre (non-decreasing) and neighbour.
        edge_vectors : (n_edges, 3), A

        Raises
        ------
        DataError
            What `neighbor_list` refuses.
        """
        if not self._skin.covers(atoms):
            self._build(atoms)
        vectors, squares = self._vectors(atoms.positions, atoms.cell.array)
        if len(squares) and squares.min() < COINCIDENT**2:
            neighbor_list(atoms, self._skin.cutoff)  # says which atoms
        inside = squares < self._skin.cutoff**2
        if inside.all():
            return self._edge_index, vectors
        kept = np.flatnonzero(inside)
        return self._edge_index.take(kept, axis=1), vectors.take(kept, axis=0)

    def _build(self, atoms: Atoms) -> None:
        self._skin.forget()
        i, j, _, S = neighbor_list(atoms, self._skin.cutoff + self._skin.width)
        order = np.lexsort((S[:, 2], S[:, 1], S[:, 0], j, i))
        self._edge_index, self._shifts = np.stack([i[order], j[order]]), S[order]
        self._offset_cell = None
        self._skin.restart(atoms)
        self.n_builds += 1

    def _vectors(self, positions: FloatArray, cell: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Vectors of all stored pairs, (n_pairs, 3), A, and their squared lengths, (n_pairs,), A^2."""
        if self._offset_cell is None or not np.array_equal(self._offset_cell, cell):
            self._offset_cell = cell.copy()
            self._offsets = self._shifts @ cell
        vectors = positions.take(self._edge_index[1], axis=0)
        vectors -= positions.take(self._edge_index[0], axis=0)
        vectors += self._offsets
        return vectors, np.einsum("ij,ij->i", vectors, vectors)
