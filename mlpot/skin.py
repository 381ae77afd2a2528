"""A neighbour list that lives for many steps: `calculator` asks it at every step, `neighbors` builds it now and then.

The list is built with cutoff + skin. As long as no pair inside the cutoff can be missing from it, only the vectors of
the stored pairs are computed anew, and the pairs beyond the cutoff are left out, so that the answer is that of a
fresh list. Stored pairs are ordered by (i, j, S), so even the order of the edges, and with it the rounding of every
sum, does not depend on when the list was built.

When the list still holds. Let p0, h0 be positions and cell at the build, p, h those now, and F the deformation with
``h = h0 @ F`` for the periodic cell vectors. What moved beside the deformation is ``u_i = p_i - p0_i @ F``. A pair at
``d`` now was at ``d0`` with ``d = d0 @ F + u_j - u_i``, so ``|d0| <= (cutoff + 2 max|u|) * norm(F^-1)``. While the
right-hand side stays below cutoff + skin, every pair inside the cutoff is in the list. For a fixed cell this is the
textbook rule: no atom moved by more than skin / 2. Only differences of u count, so its mean is taken off.
"""

from typing import NamedTuple

import numpy as np
from ase import Atoms

from mlpot.errors import ConfigError
from mlpot.neighbors import FloatArray, IntArray, neighbor_list

COINCIDENT = 1e-6
"""Two atoms closer than this (A) are one atom given twice; `neighbor_list` refuses them."""


class _Reference(NamedTuple):
    """What the list was built from and the pairs that were found."""

    positions: FloatArray
    cell: FloatArray
    pbc: tuple[bool, ...]
    edge_index: IntArray
    shifts: IntArray


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
        if not (np.isfinite(skin) and skin >= 0):
            raise ConfigError(f"`skin` must be a finite number >= 0 (in A), got {skin}: 0.3 to 1.0 is usual")
        self.cutoff = cutoff
        self.skin = skin
        self.n_builds = 0
        self._reference: _Reference | None = None
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
        positions, cell = atoms.positions, atoms.cell.array
        reference = self._reference
        if reference is None or not self._still_complete(reference, positions, cell, atoms.pbc):
            reference = self._build(atoms)
        vectors, squares = self._vectors(reference, positions, cell)
        if len(squares) and squares.min() < COINCIDENT**2:
            neighbor_list(atoms, self.cutoff)  # says which atoms
        inside = squares < self.cutoff**2
        if inside.all():
            return reference.edge_index, vectors
        kept = np.flatnonzero(inside)
        return reference.edge_index.take(kept, axis=1), vectors.take(kept, axis=0)

    def _build(self, atoms: Atoms) -> _Reference:
        self._reference = self._offset_cell = None
        i, j, _, S = neighbor_list(atoms, self.cutoff + self.skin)
        order = np.lexsort((S[:, 2], S[:, 1], S[:, 0], j, i))
        self._reference = _Reference(
            atoms.positions.copy(),
            atoms.cell.array.copy(),
            tuple(atoms.pbc.tolist()),
            np.stack([i[order], j[order]]),
            S[order],
        )
        self.n_builds += 1
        return self._reference

    def _vectors(self, reference: _Reference, positions: FloatArray, cell: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Vectors of all stored pairs, (n_pairs, 3), A, and their squared lengths, (n_pairs,), A^2."""
        if self._offset_cell is None or not np.array_equal(self._offset_cell, cell):
            self._offset_cell = cell.copy()
            self._offsets = reference.shifts @ cell
        vectors = positions.take(reference.edge_index[1], axis=0)
        vectors -= positions.take(reference.edge_index[0], axis=0)
        vectors += self._offsets
        return vectors, np.einsum("ij,ij->i", vectors, vectors)

    def _still_complete(self, reference: _Reference, positions: FloatArray, cell: FloatArray, pbc: FloatArray) -> bool:
        """Whether every pair inside the cutoff is certainly stored; false for anything that is not finite."""
        if positions.shape != reference.positions.shape or tuple(pbc.tolist()) != reference.pbc:
            return False
        stretch = 1.0
        moved = reference.positions
        if not np.array_equal(cell, reference.cell):
            deformation = _deformation(reference.cell[pbc], cell[pbc])
            smallest = np.linalg.svd(deformation, compute_uv=False)[-1] if np.isfinite(deformation).all() else 0.0
            if smallest < 0.5:
                return False
            stretch = 1.0 / smallest
            moved = moved @ deformation
        displacements = positions - moved
        if len(displacements):
            displacements -= displacements.mean(axis=0)
        farthest = np.sqrt(np.einsum("ij,ij->i", displacements, displacements).max(initial=0.0))
        # The factor leaves room for the rounding of this estimate itself.
        return bool((self.cutoff + 2.0 * farthest) * stretch < (self.cutoff + self.skin) * (1.0 - 1e-12))


def _deformation(before: FloatArray, after: FloatArray) -> FloatArray:
    """Smallest F, (3, 3), with ``after = before @ F``; directions without a periodic vector stay as they are."""
    change: FloatArray = np.linalg.pinv(before) @ (after - before)
    return np.eye(3) + change
