"""The lists with a skin, of both engines, give what a fresh list gives, whatever the atoms and the cell do."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from hypothesis import given, settings
from hypothesis import strategies as st

from mlpot.errors import DataError
from mlpot.neighbors.matscipy import neighbor_list
from mlpot.neighbors.native import NativeVerletList
from mlpot.neighbors.verlet import VerletList

CUTOFF = 3.0


class NativeEdges(NativeVerletList):
    """What the native engine makes of its list: pairs inside the cutoff, by its own arithmetic."""

    def edges(self, atoms):
        rows = self.of(atoms)
        i = np.repeat(np.arange(len(atoms)), rows.counts)
        vectors = atoms.positions[rows.neighbors] - atoms.positions[i] + rows.images @ atoms.cell.array
        inside = np.einsum("ij,ij->i", vectors, vectors) < CUTOFF**2
        return np.stack([i, rows.neighbors])[:, inside], vectors[inside]


@pytest.fixture(params=[VerletList, NativeEdges], ids=["torch", "native"], scope="module")
def make(request):
    return request.param


def assert_equals_fresh(neighbors, atoms):
    edge_index, vectors = neighbors.edges(atoms)
    expected_index, expected_vectors = VerletList(CUTOFF, 0.0).edges(atoms)
    np.testing.assert_array_equal(edge_index, expected_index)
    np.testing.assert_allclose(vectors, expected_vectors, rtol=0, atol=1e-13)


@st.composite
def walkers(draw):
    """Random atoms of any periodicity, cells from below the cutoff to above, some atoms outside of the cell."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    pbc = draw(st.tuples(st.booleans(), st.booleans(), st.booleans()))
    size = draw(st.sampled_from([1.7, 3.5, 6.0]))
    cell = size * (np.eye(3) + 0.25 * rng.uniform(-1, 1, (3, 3)))
    n_atoms = draw(st.integers(1, 8))
    atoms = Atoms(f"H{n_atoms}", positions=rng.uniform(-0.5, 1.5, (n_atoms, 3)) @ cell, cell=cell, pbc=pbc)
    return atoms, rng, draw(st.sampled_from([0.2, 0.8, 2.0]))


@settings(max_examples=60)
@given(walkers())
def test_random_displacements_with_cell_changes_equal_a_new_list(make, walker):
    atoms, rng, skin = walker
    neighbors = make(CUTOFF, skin)
    for step in range(12):
        try:
            assert_equals_fresh(neighbors, atoms)
        except DataError as error:  # random atoms may coincide, and then both refuse
            assert "same place" in str(error)  # noqa: PT017
        atoms.positions += rng.normal(scale=0.05, size=atoms.positions.shape)
        if step % 3 == 1:
            strain = np.eye(3) + rng.normal(scale=0.01, size=(3, 3))
            atoms.set_cell(atoms.cell.array @ strain, scale_atoms=bool(step % 2))
        if step == 8:
            atoms.wrap()


def test_edges_are_those_of_the_plain_list(make):
    atoms = bulk("Si", cubic=True)
    atoms.rattle(0.1, seed=1)
    i, j, D, _ = neighbor_list(atoms, CUTOFF)
    edge_index, vectors = make(CUTOFF, 0.5).edges(atoms)
    assert {(a, b, *d) for a, b, d in zip(i, j, np.round(D, 9).tolist(), strict=True)} == {
        (a, b, *d) for a, b, d in zip(*edge_index, np.round(vectors, 9).tolist(), strict=True)
    }
    assert np.all(np.diff(edge_index[0]) >= 0)


def test_small_moves_and_small_strains_reuse_the_list(make):
    atoms = bulk("Si", cubic=True) * (2, 2, 2)
    neighbors = make(CUTOFF, 0.5)
    neighbors.edges(atoms)
    atoms.rattle(0.05, seed=2)
    neighbors.edges(atoms)
    atoms.set_cell(atoms.cell.array * 1.01, scale_atoms=True)
    neighbors.edges(atoms)
    atoms.positions += 0.1  # everything together
    neighbors.edges(atoms)
    assert neighbors.n_builds == 1


def test_result_does_not_depend_on_when_the_list_was_built(make):
    """To the last bit, which makes restarted dynamics equal to uninterrupted ones."""
    atoms = bulk("Si", cubic=True)
    neighbors = make(CUTOFF, 1.0)
    neighbors.edges(atoms)
    atoms.rattle(0.1, seed=3)
    for reused, fresh in zip(neighbors.edges(atoms), make(CUTOFF, 0.0).edges(atoms), strict=True):
        np.testing.assert_array_equal(reused, fresh)
    assert neighbors.n_builds == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda atoms: atoms.positions.__setitem__((0, 0), atoms.positions[0, 0] + 0.3),
        lambda atoms: atoms.set_cell(atoms.cell.array * 0.8, scale_atoms=True),
        lambda atoms: atoms.set_cell(atoms.cell.array * 1.2),
        lambda atoms: atoms.set_pbc([True, True, False]),
        lambda atoms: atoms.append("Si"),
    ],
    ids=["far move", "large strain", "cell alone", "pbc", "one more atom"],
)
def test_large_changes_build_a_new_list(make, change):
    atoms = bulk("Si", cubic=True)
    atoms.positions += 0.3
    neighbors = make(CUTOFF, 0.5)
    neighbors.edges(atoms)
    change(atoms)
    assert_equals_fresh(neighbors, atoms)
    assert neighbors.n_builds == 2


def test_the_bound_is_tight(make):
    """Two atoms that approach each other by a skin: found, and no list is built before it is needed."""
    atoms = Atoms("H2", positions=[[0, 0, 0], [CUTOFF + 0.49, 0, 0]])
    neighbors = make(CUTOFF, 0.5)
    assert neighbors.edges(atoms)[0].shape == (2, 0)
    atoms.positions[:, 0] += [0.2499, -0.2499]
    assert neighbors.edges(atoms)[0].shape == (2, 2)
    assert neighbors.n_builds == 1


def test_a_pair_that_was_outside_of_the_list_is_found(make):
    """Just beyond cutoff + skin when the list is made, just inside the cutoff afterwards."""
    atoms = Atoms("H2", positions=[[0, 0, 0], [CUTOFF + 0.51, 0, 0]])
    neighbors = make(CUTOFF, 0.5)
    assert neighbors.edges(atoms)[0].shape == (2, 0)
    atoms.positions[:, 0] += [0.26, -0.26]
    assert neighbors.edges(atoms)[0].shape == (2, 2)
    atoms = Atoms("H", cell=[CUTOFF + 0.51, 20, 20], pbc=True)
    neighbors = make(CUTOFF, 0.5)
    assert neighbors.edges(atoms)[0].shape == (2, 0)
    atoms.set_cell(atoms.cell.array * [0.85, 1, 1], scale_atoms=True)
    assert neighbors.edges(atoms)[0].shape == (2, 2)


@pytest.mark.parametrize("n_atoms", [0, 1])
def test_no_pairs(make, n_atoms):
    edge_index, vectors = make(CUTOFF, 0.5).edges(Atoms("H" * n_atoms))
    assert edge_index.shape == (2, 0)
    assert vectors.shape == (0, 3)


def test_not_a_number_is_refused_while_a_list_is_held(make):
    atoms = bulk("Si", cubic=True)
    neighbors = make(CUTOFF, 0.5)
    neighbors.edges(atoms)
    atoms.positions[3, 1] = np.nan
    with pytest.raises(DataError, match=r"finite.*atom 3"):
        neighbors.edges(atoms)
    atoms = bulk("Si", cubic=True)
    atoms.cell[0, 0] = np.nan
    with pytest.raises(DataError, match="`cell` must be finite"):
        neighbors.edges(atoms)


def test_atoms_that_meet_are_refused_while_a_list_is_held(make):
    atoms = Atoms("H2", positions=[[0, 0, 0], [0.3, 0, 0]])
    neighbors = make(CUTOFF, 0.5)
    neighbors.edges(atoms)
    atoms.positions[1, 0] = 1e-8
    with pytest.raises(DataError, match="same place"):
        neighbors.edges(atoms)


@pytest.mark.parametrize("skin", [-0.1, np.nan, np.inf])
def test_skin_must_be_a_length(make, skin):
    with pytest.raises(ValueError, match="`skin` must be"):
        make(CUTOFF, skin)
