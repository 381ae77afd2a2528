"""Neighbor lists equal a brute-force search for every kind of structure; bad input is refused by name."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from hypothesis import given, settings
from hypothesis import strategies as st
from structures import structures

from mlpot.errors import DataError
from mlpot.model.graph import collate
from mlpot.neighbors.matscipy import graph_from_atoms, neighbor_list


def brute_force(atoms, cutoff):
    """All pairs by running over more periodic images than the cutoff can reach."""
    heights = np.full(3, np.inf)
    cell = np.where(atoms.pbc[:, None], atoms.cell.array, 0.0)
    if atoms.pbc.any():
        kept = cell[atoms.pbc]
        heights[atoms.pbc] = 1.0 / np.linalg.norm(np.linalg.pinv(kept), axis=0)
    spread = np.zeros(3)
    if atoms.pbc.any():
        fractional = atoms.positions @ np.linalg.pinv(cell[atoms.pbc])
        spread[atoms.pbc] = np.ptp(fractional, axis=0)
    reach = np.where(atoms.pbc, np.ceil(cutoff / heights + spread), 0).astype(int)
    shifts = np.stack(np.meshgrid(*[np.arange(-r, r + 1) for r in reach], indexing="ij"), -1).reshape(-1, 3)
    vectors = (
        atoms.positions[None, :, None]
        - atoms.positions[:, None, None]
        + (shifts @ np.where(atoms.pbc[:, None], cell, 0))
    )
    i, j, s = np.nonzero(np.linalg.norm(vectors, axis=-1) < cutoff)
    proper = (i != j) | shifts[s].any(axis=1)
    return i[proper], j[proper], vectors[i, j, s][proper]


def ordered(i, j, D):
    return np.lexsort((np.round(D[:, 2], 6), np.round(D[:, 1], 6), np.round(D[:, 0], 6), j, i))


@settings(max_examples=60)
@given(atoms=structures(max_atoms=6), cutoff=st.floats(1.0, 5.0))
def test_equals_brute_force(atoms, cutoff):
    i, j, D, S = neighbor_list(atoms, cutoff)
    expected = brute_force(atoms, cutoff)
    assert len(i) == len(expected[0])
    order, wanted = ordered(i, j, D), ordered(*expected)
    np.testing.assert_array_equal(i[order], expected[0][wanted])
    np.testing.assert_array_equal(j[order], expected[1][wanted])
    np.testing.assert_allclose(D[order], expected[2][wanted], atol=1e-9)
    assert np.all(np.diff(i) >= 0)
    np.testing.assert_allclose(
        D, atoms.positions[j] - atoms.positions[i] + S @ np.where(atoms.pbc[:, None], atoms.cell.array, 0), atol=1e-9
    )


def test_molecule_with_a_cell_that_does_not_count():
    free = Atoms("H2", [[0, 0, 0], [0.8, 0, 0]])
    boxed = Atoms("H2", [[0, 0, 0], [0.8, 0, 0]], cell=[0.5, 0.5, 0.0])
    np.testing.assert_array_equal(neighbor_list(free, 3.0)[2], neighbor_list(boxed, 3.0)[2])


def test_no_atoms_and_one_atom():
    for atoms in (Atoms(), Atoms("Si"), Atoms("Si", cell=[20, 20, 20], pbc=True)):
        assert all(len(part) == 0 for part in neighbor_list(atoms, 5.0))


@pytest.mark.parametrize(
    ("atoms", "message"),
    [
        (Atoms("H2", [[0, 0, 0], [0, 0, np.nan]]), "must be finite.*atom 1"),
        (Atoms("H", cell=[np.inf, 1, 1], pbc=True), "`cell` must be finite"),
        (Atoms("H", pbc=True), "give a cell vector to each periodic direction"),
        (Atoms("H", cell=[[1, 0, 0], [2, 0, 0], [0, 0, 1]], pbc=True), "linearly dependent"),
        (Atoms("H2", [[1, 0, 0], [1, 0, 0]]), "atoms 0 and 1 are at the same place"),
    ],
)
def test_bad_structures_are_refused(atoms, message):
    with pytest.raises(DataError, match=message):
        neighbor_list(atoms, 3.0)


def test_unknown_elements_are_named():
    with pytest.raises(DataError, match="the model has the elements Si, C; got atoms of As, Ga"):
        graph_from_atoms(bulk("GaAs", "zincblende", 5.6), [14, 6], 5.0)


def test_collate_keeps_structures_apart():
    first, second = (graph_from_atoms(bulk("Si"), [14], 3.0), graph_from_atoms(Atoms("Si3", np.eye(3) * 2), [14], 3.0))
    both = collate([first, second])
    assert both.n_structures == 2
    assert both.batch.tolist() == [0, 0, 1, 1, 1]
    n_first = first.edge_index.shape[1]
    assert torch.equal(both.edge_index[:, n_first:], second.edge_index + 2)
    assert torch.equal(both.batch[both.edge_index[0]], both.batch[both.edge_index[1]])
