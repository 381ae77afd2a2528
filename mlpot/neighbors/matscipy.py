"""Neighbor lists and `Graph` of ASE atoms: cells and periodic images, with the search of matscipy.

Any cell is accepted: none, one with fewer than three vectors, triclinic, smaller than the cutoff, with atoms outside.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

import matscipy.neighbours
import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray

from mlpot.errors import DataError

if TYPE_CHECKING:
    from mlpot.model.graph import Graph

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

COINCIDENT = 1e-6
"""Two atoms closer than this (A) are at the same place, and are refused."""

FARTHEST = 1e9
"""Atoms farther than this (A) from the origin are refused: their positions are rounded to more than 1e-7 A."""

MOST_NEIGHBORS = 1e5
"""Cells so small that an atom has more neighbors are refused."""


def neighbor_list(atoms: Atoms, cutoff: float) -> tuple[IntArray, IntArray, FloatArray, IntArray]:
    """Full neighbor list, sorted by center.

    Parameters
    ----------
    atoms : ase.Atoms
        Finite positions; a periodic direction needs a cell vector.
    cutoff : float, A

    Returns
    -------
    i, j : (n_edges,)
        Center and neighbor.
    D : (n_edges, 3), A
        ``r_j - r_i + S @ cell``.
    S : (n_edges, 3)
        Periodic image of the neighbor.

    Raises
    ------
    DataError
        As for `search_cell`, or two atoms at one place.

    Examples
    --------
    >>> from ase.build import bulk
    >>> i, j, vectors, images = neighbor_list(bulk("Si", a=5.43), cutoff=2.5)
    >>> i.tolist(), j.tolist()
    ([0, 0, 0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0, 0, 0])
    """
    cell = search_cell(atoms, cutoff)
    if len(atoms) == 0:
        empty = np.zeros(0, dtype=np.int64)
        return empty, empty, np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int64)
    i, j, D, S = matscipy.neighbours.neighbour_list(
        "ijDS", positions=atoms.positions, cell=cell, pbc=atoms.pbc, cutoff=cutoff
    )
    order = np.argsort(i, kind="stable")
    i, j, D, S = i[order], j[order], D[order], S[order]
    coincident = np.flatnonzero(np.einsum("ij,ij->i", D, D) < COINCIDENT**2)
    if len(coincident):
        refuse_coincident(atoms, int(i[coincident[0]]), int(j[coincident[0]]))
    return i.astype(np.int64), j.astype(np.int64), D, S.astype(np.int64)


def refuse_coincident(atoms: Atoms, i: int, j: int) -> NoReturn:
    """Raise the `DataError` for two atoms that are at the same place."""
    raise DataError(
        f"atoms {i} and {j} are at the same place ({atoms.positions[i]} A); expected distinct atoms, "
        "got two on top of each other: remove one of them"
    )


def search_cell(atoms: Atoms, cutoff: float) -> FloatArray:
    """Cell with three independent vectors: missing ones, along which nothing repeats, are filled in; ``(3, 3)``, A.

    Both engines refuse here what has no neighbor list.

    Raises
    ------
    DataError
        Positions that are not finite or too far away; a cell that is not finite or has too many images within the
        cutoff, a periodic direction without volume.
    """
    _check_positions(atoms.positions)
    if not np.isfinite(atoms.cell.array).all():
        raise DataError(f"`cell` must be finite, got {atoms.cell.array.tolist()}")
    lengths = atoms.cell.lengths()
    if np.any(atoms.pbc & (lengths < 1e-9)):
        raise DataError(
            f"`pbc` is {atoms.pbc.tolist()} but the cell vectors have lengths {lengths.tolist()} A: "
            "give a cell vector to each periodic direction, or switch `pbc` off there"
        )
    # Only periodic vectors matter; the others are replaced, since the search fails with degenerate ones.
    kept = np.where(atoms.pbc[:, None], atoms.cell.array, 0.0)
    _, scales, directions = np.linalg.svd(kept)
    n_periodic = int(atoms.pbc.sum())
    if np.count_nonzero(scales > 1e-9) < n_periodic:
        raise DataError(f"the periodic cell vectors are linearly dependent: {atoms.cell.array.tolist()}")
    if n_periodic < 3:
        extent = np.ptp(atoms.positions, axis=0).max() if len(atoms) else 0.0
        # The null space of the periodic vectors gives directions perpendicular to all of them.
        kept[~atoms.pbc] = directions[n_periodic:] * (extent + 1.0)
    _check_number_of_neighbors(atoms, kept, cutoff)
    return kept


def _check_positions(positions: FloatArray) -> None:
    far = np.flatnonzero(~(np.abs(positions) <= FARTHEST).all(axis=1))
    if len(far) == 0:
        return
    bad = positions[far[0]]
    if not np.isfinite(bad).all():
        raise DataError(f"`positions` must be finite, got {bad} for atom {far[0]}")
    raise DataError(
        f"atom {far[0]} is at {bad} A, where positions are rounded to {np.spacing(np.abs(bad).max()):.0e} A; expected "
        f"at most {FARTHEST:.0e} A from the origin: wrap the atoms into the cell, or center them"
    )


def _check_number_of_neighbors(atoms: Atoms, cell: FloatArray, cutoff: float) -> None:
    """Refuse a cell whose average number of neighbors in a parallelepiped around the cutoff is too large."""
    heights = 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    images = 2.0 * cutoff / heights
    number = len(atoms) * np.where(atoms.pbc, images, np.minimum(images, 1.0)).prod()
    if number > MOST_NEIGHBORS:
        raise DataError(
            f"the cell is so small that an atom has about {number:.0e} neighbors within {cutoff:.1f} A, expected "
            f"at most {MOST_NEIGHBORS:.0e}: its heights are {heights.tolist()} A; check its vectors and angles"
        )


def graph_from_atoms(atoms: Atoms, atomic_numbers: Sequence[int], cutoff: float) -> "Graph":
    """Graph of one structure.

    Parameters
    ----------
    atoms : ase.Atoms
    atomic_numbers : sequence of int
        The model's elements; `Graph.species` indexes into it.
    cutoff : float, A

    Raises
    ------
    DataError
        An element outside `atomic_numbers`, or as for `neighbor_list`.

    Examples
    --------
    >>> from ase.build import molecule
    >>> graph = graph_from_atoms(molecule("H2O"), [1, 8], cutoff=3.0)
    >>> graph.species.tolist(), graph.edge_vectors.shape
    ([1, 0, 0], torch.Size([6, 3]))
    """
    import torch  # noqa: PLC0415  # the native engine needs no torch, which takes seconds to load

    from mlpot.model.graph import Graph  # noqa: PLC0415

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
    """Index of each atom's element in `atomic_numbers`, ``(n_atoms,)``; other elements are a `DataError`.

    >>> species_of(Atoms("OHH"), [1, 8]).tolist()
    [1, 0, 0]
    """
    check_atomic_numbers(atoms)
    known = np.full(len(chemical_symbols), -1, dtype=np.int64)
    known[list(atomic_numbers)] = np.arange(len(atomic_numbers))
    species: IntArray = known[atoms.numbers]
    if np.any(species < 0):
        unknown = sorted({chemical_symbols[z] for z in atoms.numbers[species < 0]})
        raise DataError(
            f"the model has the elements {', '.join(chemical_symbols[z] for z in atomic_numbers)}; "
            f"got atoms of {', '.join(unknown)}, which it was not trained on"
        )
    return species


def check_atomic_numbers(atoms: Atoms) -> None:
    """Raise a `DataError` for atomic numbers that no element has; 0 is ASE's dummy atom X."""
    bad = np.flatnonzero((atoms.numbers < 0) | (atoms.numbers >= len(chemical_symbols)))
    if len(bad):
        raise DataError(
            f"atomic numbers must be between 1 and {len(chemical_symbols) - 1}, got {atoms.numbers[bad[0]]} for atom "
            f"{bad[0]}"
        )
