"""Verlet lists: neighbor lists with a skin, and the criterion by which they are rebuilt.

A list is built with cutoff + skin. It is kept as long as no pair inside the cutoff can be missing from it. Pairs beyond
the cutoff are left out, so that the result is that of a new list. Stored pairs are ordered by (i, j, S), so that the
order of the edges, and the rounding of every sum, do not depend on the step at which the list was built.

The criterion: let p0, h0 be positions and cell at the build, p, h those now, and F the deformation with
``h = h0 @ F`` for the periodic cell vectors. The displacement besides the deformation is ``u_i = p_i - p0_i @ F``. A
pair at ``d`` now was at ``d0`` with ``d = d0 @ F + u_j - u_i``, so ``|d0| <= (cutoff + 2 max|u|) * norm(F^-1)``. While
the right-hand side stays below cutoff + skin, every pair inside the cutoff is in the list. For a fixed cell this is the
textbook criterion: no atom moved by more than skin / 2. Only differences of u count, so its mean may be subtracted. In
the same way ``|d| >= |d0| / norm(F^-1) - 2 max|u|`` bounds the distance of the two closest atoms without a loop over
the pairs.
"""

from typing import NamedTuple

import numpy as np
from ase import Atoms

from mlpot.errors import ConfigError
from mlpot.neighbors.matscipy import COINCIDENT, FloatArray, IntArray, neighbor_list

FARTHEST_TOGETHER = 1e6
"""A list is rebuilt when all atoms have moved this far together, A."""


class _Reference(NamedTuple):
    """Structure at the build of the list, and the distance of its two closest atoms, A."""

    positions: FloatArray
    cell: FloatArray
    pbc: FloatArray
    closest: float


class VerletCriterion:
    """Whether a neighbor list of cutoff + skin still contains every pair inside the cutoff.

    Parameters
    ----------
    cutoff : float, A
    width : float, A
        The skin; 0 builds a new list at every call.

    Attributes
    ----------
    closest : float, A
        Lower bound of the distance of any two atoms.
    """

    def __init__(self, cutoff: float, width: float) -> None:
        if not (np.isfinite(width) and width >= 0):
            raise ConfigError(f"`skin` must be a finite number >= 0 (in A), got {width}: 0.3 to 1.0 is usual")
        self.cutoff = cutoff
        self.width = width
        self.closest = 0.0
        self._reference: _Reference | None = None

    def restart(self, atoms: Atoms, closest: float = 0.0) -> None:
        """Record that the list was built; `closest` is the distance of the two closest atoms, A, if known."""
        self.closest = closest
        self._reference = _Reference(atoms.positions.copy(), atoms.cell.array.copy(), atoms.pbc.copy(), closest)

    def forget(self) -> None:
        """Record that there is no list."""
        self._reference = None

    def covers(self, atoms: Atoms) -> bool:
        """Whether every pair inside the cutoff is certainly in the list; False for values that are not finite."""
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
        if len(positions) == 0:
            return False
        # If all atoms moved together, but not so far that rounding matters. The mean is expensive, and seldom needed.
        mean = displacements.mean(axis=0)
        return bool(np.abs(mean).max() < FARTHEST_TOGETHER) and self._allows(displacements - mean, smallest)

    def _allows(self, displacements: FloatArray, smallest: float) -> bool:
        farthest = float(np.einsum("ij,ij->i", displacements, displacements).max(initial=0.0)) ** 0.5
        if self._reference is not None:
            self.closest = smallest * self._reference.closest - 2.0 * farthest
        # The factor allows for the rounding of this estimate.
        return bool(self.cutoff + 2.0 * farthest < smallest * (self.cutoff + self.width) * (1.0 - 1e-12))


def _deformation(before: FloatArray, after: FloatArray) -> FloatArray:
    """Smallest F, (3, 3), with ``after = before @ F``; directions without a periodic vector stay as they are."""
    change: FloatArray = np.linalg.pinv(before) @ (after - before)
    return np.eye(3) + change


class VerletList:
    """Verlet list, equal to a new `neighbor_list` at every call.

    Parameters
    ----------
    cutoff : float, A
    skin : float, A
        0 builds a new list at every call.

    Attributes
    ----------
    n_builds : int
        Number of builds.

    Examples
    --------
    >>> from ase.build import bulk
    >>> atoms, pairs = bulk("Si", cubic=True), VerletList(cutoff=5.0, skin=0.5)
    >>> for seed in range(5):
    ...     atoms.rattle(0.01, seed=seed)
    ...     edge_index, edge_vectors = pairs.edges(atoms)
    >>> pairs.n_builds
    1
    """

    def __init__(self, cutoff: float, skin: float) -> None:
        self._criterion = VerletCriterion(cutoff, skin)
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

        Returns
        -------
        edge_index : (2, n_edges)
            Center (non-decreasing) and neighbor.
        edge_vectors : (n_edges, 3), A

        Raises
        ------
        DataError
            As for `neighbor_list`.
        """
        if not self._criterion.covers(atoms):
            self._build(atoms)
        vectors, squares = self._vectors(atoms.positions, atoms.cell.array)
        if len(squares) and squares.min() < COINCIDENT**2:
            neighbor_list(atoms, self._criterion.cutoff)  # raises, with the atoms
        inside = squares < self._criterion.cutoff**2
        if inside.all():
            return self._edge_index, vectors
        kept = np.flatnonzero(inside)
        return self._edge_index.take(kept, axis=1), vectors.take(kept, axis=0)

    def _build(self, atoms: Atoms) -> None:
        self._criterion.forget()
        i, j, _, S = neighbor_list(atoms, self._criterion.cutoff + self._criterion.width)
        order = np.lexsort((S[:, 2], S[:, 1], S[:, 0], j, i))
        self._edge_index, self._shifts = np.stack([i[order], j[order]]), S[order]
        self._offset_cell = None
        self._criterion.restart(atoms)
        self.n_builds += 1

    def _vectors(self, positions: FloatArray, cell: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Vectors of all stored pairs, (n_pairs, 3), A, and their squared lengths, (n_pairs,), A^2."""
        if self._offset_cell is None or not np.array_equal(self._offset_cell, cell):
            self._offset_cell = None  # until they are computed
            self._offsets = self._shifts @ cell
            self._offset_cell = cell.copy()
        positions = positions.astype(np.float64, copy=False)  # those of ASE may be integers
        vectors = positions.take(self._edge_index[1], axis=0)
        vectors -= positions.take(self._edge_index[0], axis=0)
        vectors += self._offsets
        return vectors, np.einsum("ij,ij->i", vectors, vectors)
