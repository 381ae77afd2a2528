"""Parts cut out of large frames: small enough, the environment unchanged, no seams."""

import numpy as np
import pytest
from ase.build import bulk, fcc111
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlpot.active_learning.selection.cutout import cut_out
from mlpot.active_learning.selection.sanity import unphysical
from mlpot.errors import DataError
from mlpot.neighbors.matscipy import neighbor_list


def uncertain_at(atoms, index):
    sigma = np.full(len(atoms), 0.1)
    sigma[index] = 2.0
    return sigma


def environment(atoms, index, radius):
    i, j, D, _ = neighbor_list(atoms, radius)
    vectors = D[i == index]
    order = np.lexsort(np.round(vectors, 6).T)
    return vectors[order], atoms.numbers[j[i == index]][order]


def test_a_crystal_is_cut_along_its_lattice_without_a_seam():
    frame = bulk("Cu", cubic=True) * (6, 6, 6)
    part = cut_out(frame, uncertain_at(frame, 300), max_atoms=110, radius=4.9)
    a = frame.cell[0, 0] / 6
    np.testing.assert_allclose(part.atoms.cell.lengths() / a, 3.0, atol=1e-3)
    assert len(part.atoms) == 108
    assert part.misfit < 0.01
    assert part.removed == 0
    assert part.parents[part.center] == 300


def test_a_hot_crystal_is_cut_along_its_lattice_too():
    frame = bulk("Si", cubic=True) * (5, 5, 5)
    frame.rattle(0.12, seed=1)
    part = cut_out(frame, uncertain_at(frame, 123), max_atoms=220, radius=5.0)
    cells = part.atoms.cell.lengths() / 5.43
    np.testing.assert_allclose(cells, np.round(cells), atol=0.02)
    assert len(part.atoms) == 8 * np.prod(np.round(cells))
    assert part.misfit < 0.35
    assert f"{len(part.atoms)} of 1000 atoms around atom 123" in part.summary(len(frame))


@settings(max_examples=8)
@given(st.integers(0, 2**31), st.booleans())
@example(56543, False)  # two atoms of the environment near opposite faces of the first box
def test_the_environment_of_the_uncertain_atom_stays_to_the_last_digit(seed, triclinic):
    rng = np.random.default_rng(seed)
    frame = bulk("Cu", cubic=not triclinic) * ((6, 6, 6) if not triclinic else (10, 10, 10))
    frame.positions += rng.normal(scale=0.3, size=frame.positions.shape)
    frame.symbols[rng.random(len(frame)) < 0.3] = "Au"
    center = int(rng.integers(len(frame)))
    part = cut_out(frame, uncertain_at(frame, center), max_atoms=250, radius=4.0)
    assert len(part.atoms) <= 250
    for mine, theirs in zip(environment(part.atoms, part.center, 4.0), environment(frame, center, 4.0), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-9)
    closest = min(np.linalg.norm(neighbor_list(frame, 3.0)[2], axis=1).min(), 0.7 * 2.64)
    assert np.linalg.norm(neighbor_list(part.atoms, 3.0)[2], axis=1).min() >= closest - 1e-9
    assert (frame.numbers[part.parents] == part.atoms.numbers).all()


def test_the_vacuum_of_a_slab_stays():
    frame = fcc111("Cu", (8, 8, 4), vacuum=8.0, periodic=False)
    part = cut_out(frame, uncertain_at(frame, 200), max_atoms=120, radius=4.5)
    assert part.atoms.pbc.tolist() == [True, True, False]
    assert part.atoms.cell[2, 2] == pytest.approx(frame.cell[2, 2])
    assert np.ptp(part.atoms.positions[:, 2]) == pytest.approx(np.ptp(frame.positions[:, 2]))
    assert unphysical(part.atoms) is None


def test_what_is_small_enough_stays_whole():
    frame = bulk("Cu", cubic=True)
    part = cut_out(frame, uncertain_at(frame, 1), max_atoms=4, radius=5.0)
    assert part.atoms == frame
    assert part.core.all()


def test_an_environment_that_nobody_can_afford_is_refused():
    frame = bulk("Cu", cubic=True) * (6, 6, 6)
    with pytest.raises(DataError, match="raise `max_atoms`"):
        cut_out(frame, uncertain_at(frame, 0), max_atoms=50, radius=6.0)
