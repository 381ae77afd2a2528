"""The search in C++ finds exactly what matscipy finds, in order, in any cell; what it cannot do is refused in words."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from hypothesis import given, settings
from hypothesis import strategies as st
from mlpot._native import NativeEngine, NeighborList

from mlpot.errors import DataError
from mlpot.neighbors.matscipy import neighbor_list
from mlpot.neighbors.native import NativeVerletList, native_neighbor_list

of_matscipy = pytest.mark.filterwarnings("ignore:Ratio of simulation cell size:RuntimeWarning")


@st.composite
def boxes(draw):
    """Bulk, slabs, wires, molecules, gases; skewed cells much smaller and much larger than the cutoff; far away."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n_atoms = draw(st.sampled_from([1, 2, 3, 8, 60]))
    pbc = draw(st.tuples(st.booleans(), st.booleans(), st.booleans()))
    spacing = draw(st.sampled_from([1.3, 2.5, 12.0]))
    skew = draw(st.sampled_from([0.0, 0.3, 0.7]))
    lengths = rng.permutation([draw(st.sampled_from([0.4, 1.0, 5.0])), 1.0, 1.0])
    cell = spacing * n_atoms ** (1 / 3) * (np.diag(lengths) + skew * np.tril(rng.uniform(-1, 1, (3, 3)), -1))
    positions = rng.random((n_atoms, 3)) @ cell
    far = draw(st.sampled_from([0, 1, 10]))
    positions += rng.integers(-far, far + 1, (n_atoms, 3)) * pbc @ cell + rng.uniform(-far, far, 3)
    if draw(st.booleans()):
        cell = cell @ np.linalg.qr(rng.normal(size=(3, 3)))[0]  # also left-handed
    # Not a round number: exactly at the cutoff, rounding decides.
    return Atoms(f"H{n_atoms}", positions, cell=cell, pbc=pbc), rng.uniform(1.5, 6.0)


def in_order(i, j, S):
    found = np.column_stack([i, j, S])
    return found[np.lexsort(found.T[::-1])]


def table(rows):
    return np.column_stack([np.repeat(np.arange(len(rows.counts)), rows.counts), rows.neighbors, rows.images])


@of_matscipy
@settings(max_examples=300)
@given(boxes())
def test_finds_what_matscipy_finds(box):
    atoms, cutoff = box
    i, j, _, S = neighbor_list(atoms, cutoff)
    np.testing.assert_array_equal(table(native_neighbor_list(atoms, cutoff)), in_order(i, j, S))


@pytest.mark.slow
@of_matscipy
@settings(max_examples=4000)
@given(boxes())
def test_finds_what_matscipy_finds_always(box):
    atoms, cutoff = box
    i, j, _, S = neighbor_list(atoms, cutoff)
    np.testing.assert_array_equal(table(native_neighbor_list(atoms, cutoff)), in_order(i, j, S))


def test_atoms_that_have_wandered_far_keep_their_neighbors():
    """Over thousands of cells; in a dilute gas that costs nothing."""
    rng = np.random.default_rng(0)
    cell = 12.0 * (np.eye(3) + 0.3 * np.tril(rng.uniform(-1, 1, (3, 3)), -1))
    atoms = Atoms("H60", rng.random((60, 3)) @ cell, cell=cell, pbc=True)
    expected = table(native_neighbor_list(atoms, 5.0))
    cells = rng.integers(-5000, 5001, (60, 3))
    atoms.positions += cells @ cell
    expected[:, 2:] += cells[expected[:, 0]] - cells[expected[:, 1]]
    np.testing.assert_array_equal(table(native_neighbor_list(atoms, 5.0)), in_order(*expected.T[:2], expected[:, 2:]))


def test_a_sheet_a_line_and_a_point_have_no_extent():
    for positions in (np.zeros((1, 3)), [[0, 0, k] for k in range(9)], [[k % 3, k // 3, 0] for k in range(9)]):
        atoms = Atoms(f"H{len(positions)}", positions)
        i, j, _, S = neighbor_list(atoms, 1.5)
        np.testing.assert_array_equal(table(native_neighbor_list(atoms, 1.5)), in_order(i, j, S))


def test_atoms_on_the_faces_of_the_cell_are_not_lost():
    """Fractions that round to one, and those that are one."""
    cell = np.array([[3.1, 0, 0], [0.7, 2.9, 0], [-0.4, 0.3, 3.3]])
    for fraction in (0.0, 1.0, -1e-17, 1.0 - 1e-16, -1.0, 2.0):
        atoms = Atoms("H2", [[fraction] * 3, [0.5, 0.5, 0.5]] @ cell, cell=cell, pbc=True)
        i, j, _, S = neighbor_list(atoms, 4.0)
        np.testing.assert_array_equal(table(native_neighbor_list(atoms, 4.0)), in_order(i, j, S))


def test_a_large_crystal_has_its_shells():
    atoms = bulk("Si", cubic=True, a=5.43) * (6, 6, 6)
    rows = native_neighbor_list(atoms, 5.0)
    assert set(rows.counts.tolist()) == {4 + 12 + 12}
    distance, i, j = rows.closest_pair(atoms.positions)
    assert distance == pytest.approx(5.43 * np.sqrt(3) / 4, abs=1e-12)
    assert atoms.get_distance(i, j, mic=True) == pytest.approx(distance, abs=1e-12)


def test_atoms_that_come_close_are_noticed_without_looking_at_all_pairs():
    """At the build, later, by the cell alone, and again after an error."""
    atoms = Atoms("H3", positions=[[0, 0, 0], [1.0, 0, 0], [0, 1.6, 0]], cell=[8, 8, 8], pbc=True)
    neighbors = NativeVerletList(3.0, 2.5)
    for place in ([1e-7, 0, 0], [0, 1.6, 1e-7], [8.0, 8.0 + 1e-7, -8.0]):
        neighbors.of(atoms)
        atoms.positions[1] = place
        with pytest.raises(DataError, match=r"atoms [01] and [12] are at the same place"):
            neighbors.of(atoms)
        atoms.positions[1] = [1.0, 0, 0]
    atoms = Atoms("H", cell=[1.0, 9, 9], pbc=True)
    neighbors.of(atoms)
    atoms.cell[0, 0] = 1e-7
    with pytest.raises(DataError, match="so small that an atom has about"):
        neighbors.of(atoms)


@pytest.mark.parametrize(
    ("atoms", "message"),
    [
        (Atoms("H2", [[0, 0, 0], [9e8, 0, 0]], cell=[0.5, 9, 9], pbc=True), "more than a billion cells"),
        (Atoms("H2", [[0, 0, 0], [1e11, 0, 0]], cell=[1, 1, 1], pbc=True), "positions are rounded to"),
        (Atoms("H2", [[0, 0, 0], [0, 0, np.nan]]), "must be finite.*atom 1"),
        (Atoms("H", cell=[1e-4, 1e-4, 1e-4], pbc=True), "so small that an atom has about 1e.15 neighbors"),
        (Atoms("H", cell=[1e-8, 90, 90], pbc=True), "so small that an atom has about 1e.07 neighbors"),
        (Atoms("H", cell=[[1, 0, 0], [2, 0, 0], [0, 0, 1]], pbc=True), "linearly dependent"),
    ],
)
def test_what_cannot_be_searched_is_refused(atoms, message):
    with pytest.raises(DataError, match=message):
        native_neighbor_list(atoms, 5.0)


def test_the_search_refuses_by_itself_what_it_cannot_count():
    with pytest.raises(ValueError, match="so small that an atom has millions of neighbors"):
        NeighborList.search(np.zeros((1, 3)), 1e-4 * np.eye(3), [True] * 3, 5.0)


@pytest.mark.parametrize(
    ("counts", "neighbors", "n_vectors", "message"),
    [
        ([1, 1], [1, 2], 2, "indices of atoms"),
        ([1, 1], [1, -1], 2, "indices of atoms"),
        ([1, 2], [1, 0], 2, "add up"),
        ([3, -1], [1, 0], 2, "negative"),
        ([1, 1], [1, 0], 1, "an offset"),
    ],
)
def test_rows_that_are_none_are_refused(counts, neighbors, n_vectors, message):
    arrays = np.array(counts, np.int32), np.array(neighbors, np.int32), np.zeros((n_vectors, 3))
    with pytest.raises(ValueError, match=message):
        NeighborList.from_vectors(*arrays)


def test_the_engine_takes_nothing_that_does_not_fit(model_file):
    engine = NativeEngine(model_file.read_bytes(), str(model_file))
    atoms = bulk("Si")
    rows = native_neighbor_list(atoms, 4.0)
    species = np.full(2, 2, np.int32)
    engine.evaluate(species, atoms.positions, rows)
    for wrong, message in ((np.zeros(3, np.int32), "a row for each"), (np.full(2, 3, np.int32), "elements")):
        with pytest.raises(ValueError, match=message):
            engine.evaluate(wrong, atoms.positions, rows)
    with pytest.raises(ValueError, match="a row for each"):
        engine.evaluate(species, atoms.positions[:1], rows)
    with pytest.raises(ValueError, match="a row for each"):
        rows.closest_pair(atoms.positions[:1])


def test_rows_can_be_looked_at_but_not_changed():
    rows = native_neighbor_list(bulk("Si"), 3.0)
    neighbors = rows.neighbors
    del rows
    assert neighbors.tolist() == [1] * 4 + [0] * 4
    with pytest.raises(ValueError, match="read-only"):
        neighbors[0] = 7
