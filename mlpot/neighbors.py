"""ASE atoms to `Graph`: the only place that knows cells and periodic images.

matscipy does the search. Any cell is accepted: none, one with fewer than three vectors, triclinic, smaller than
the cutoff, atoms outside of it.
"""

from collections.abc import Sequence

import matscipy.neighbours
import numpy as np
import torch
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray

from mlpot.errors import DataError
from mlpot.graph import Graph

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def neighbor_list(atoms: Atoms, cutoff: float) -> tuple[IntArray, IntArray, FloatArray, IntArray]:
    """Full neighbour list, sorted by centre.

    Parameters
    ----------
    atoms : ase.Atoms
        Finite positions; a periodic direction needs a cell vector.
    cutoff : float, A

    Returns
    -------
    i, j : (n_edges,)
        Centre and neighbour.
    D : (n_edges, 3), A
        ``r_j - r_i + S @ cell``.
    S : (n_edges, 3)
        Periodic image of the neighbour.

    Raises
    ------
    DataError
        Positions or cell that are not finite, a periodic direction without volume, or two atoms at one place.
    """
    cell = _search_cell(atoms)
    if len(atoms) == 0:
        empty = np.zeros(0, dtype=np.int64)
        return empty, empty, np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int64)
    i, j, D, S = matscipy.neighbours.neighbour_list(
        "ijDS", positions=atoms.positions, cell=cell, pbc=atoms.pbc, cutoff=cutoff
    )
    order = np.argsort(i, kind="stable")
    i, j, D, S = i[order], j[order], D[order], S[order]
    coincident = np.flatnonzero(np.einsum("ij,ij->i", D, D) < 1e-12)
    if len(coincident):
        a, b = i[coincident[0]], j[coincident[0]]
        raise DataError(
            f"atoms {a} and {b} are at the same place ({atoms.positions[a]} A); expected distinct atoms, "
            "got two on top of each other: remove one of them"
        )
    return i.astype(np.int64), j.astype(np.int64), D, S.astype(np.int64)


def _search_cell(atoms: Atoms) -> FloatArray:
    """Cell with three independent vectors: missing ones, along which nothing repeats, are filled in."""
    if not np.isfinite(atoms.positions).all():
        bad = int(np.flatnonzero(~np.isfinite(atoms.positions).all(axis=1))[0])
        raise DataError(f"`positions` must be finite, got {atoms.positions[bad]} for atom {bad}")
    if not np.isfinite(atoms.cell.array).all():
        raise DataError(f"`cell` must be finite, got {atoms.cell.array.tolist()}")
    lengths = atoms.cell.lengths()
    if np.any(atoms.pbc & (lengths < 1e-9)):
        raise DataError(
            f"`pbc` is {atoms.pbc.tolist()} but the cell vectors have lengths {lengths.tolist()} A: "
            "give a cell vector to each periodic direction, or switch `pbc` off there"
        )
    # Only periodic vectors matter; replacing the others keeps a useless or degenerate one from breaking the search.
    kept = np.where(atoms.pbc[:, None], atoms.cell.array, 0.0)
    if np.linalg.matrix_rank(kept, tol=1e-9) < atoms.pbc.sum():
        raise DataError(f"the periodic cell vectors are linearly dependent: {atoms.cell.array.tolist()}")
    extent = np.ptp(atoms.positions, axis=0).max() if len(atoms) else 0.0
    completed = np.zeros((3, 3))
    completed[atoms.pbc] = kept[atoms.pbc]
    # The null space of the periodic vectors gives directions perpendicular to all of them.
    normals = np.linalg.svd(kept)[2][atoms.pbc.sum() :]
    completed[~atoms.pbc] = normals * (extent + 1.0)
    return completed


def graph_from_atoms(atoms: Atoms, atomic_numbers: Sequence[int], cutoff: float) -> Graph:
    """Graph of one structure.

    Parameters
    ----------
    atoms : ase.Atoms
    atomic_numbers : sequence of int
        The model's elements; `Graph.species` indexes into it.
    cutoff : float, A

    Returns
    -------
    Graph

    Raises
    ------
    DataError
        An element outside `atomic_numbers`, or what `neighbor_list` refuses.
    """
    species = species_of(atoms, atomic_numbers)
    i, j, D, _ = neighbor_list(atoms, cutoff)
    return Graph(
        torch.from_numpy(species),
        torch.from_numpy(np.stack([i, j])),
        torch.from_numpy(D),
        torch.zeros(len(atoms), dtype=torch.int64),
        1,
    )


def species_of(atoms: Atoms, atomic_numbers: Sequence[int]) -> IntArray:
    """Index of each atom's element in `atomic_numbers`; unknown elements are refused by name.

    Returns
    -------
    species : (n_atoms,)
    """
    known = np.full(len(chemical_symbols), -1, dtype=np.int64)
    known[list(atomic_numbers)] = np.arange(len(atomic_numbers))
    species: IntArray = known[atoms.numbers]
    if np.any(species < 0):
        unknown = sorted({chemical_symbols[z] for z in atoms.numbers[species < 0]})
        raise DataError(
            f"the model knows {', '.join(chemical_symbols[z] for z in atomic_numbers)}; "
            f"got atoms of {', '.join(unknown)}, which it was not trained on"
        )
    return species
