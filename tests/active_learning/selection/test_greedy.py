"""Batch selection: uncertain, different, physical; independent of the order of the candidates."""

import numpy as np
import pytest
from ase.build import bulk
from hypothesis import given
from hypothesis import strategies as st

from mlpot.active_learning.selection.greedy import Candidate, select_batch
from mlpot.active_learning.selection.sanity import unphysical
from mlpot.errors import DataError


def candidate(center, uncertainty, trajectory="", symbol="Cu"):
    atoms = bulk(symbol, "fcc", a=3.6, cubic=True)
    features = np.tile(np.asarray(center, dtype=float), (4, 1)) + 1e-4 * np.arange(4)[:, None]
    return Candidate(atoms, features, np.full(4, float(uncertainty)), trajectory)


NOTHING = {29: np.zeros((1, 2))}


def test_uncertain_beats_certain_and_different_beats_alike():
    candidates = [candidate([1, 0], 1.0), candidate([1.01, 0], 1.2), candidate([0, 1], 0.5), candidate([0, 2], 0.01)]
    selection = select_batch(candidates, NOTHING, 2)
    assert selection.chosen == (1, 2)
    assert [decision.kind for decision in selection.decisions] == ["surplus", "chosen", "chosen", "surplus"]


def test_duplicates_of_the_pool_and_of_each_other_are_left_out():
    candidates = [candidate([0, 0], 9.0), candidate([1, 0], 1.0), candidate([1, 0], 0.9)]
    selection = select_batch(candidates, {29: np.zeros((1, 2))}, 3, min_distance=0.01)
    assert selection.chosen == (1,)
    assert [decision.kind for decision in selection.decisions] == ["duplicate", "chosen", "duplicate"]


def test_one_trajectory_does_not_fill_the_batch():
    candidates = [candidate([k + 1, 0], 1.0, "hot") for k in range(5)] + [candidate([0, 0.5], 0.1, "cold")]
    selection = select_batch(candidates, NOTHING, 4, per_trajectory=2)
    assert len(selection.chosen) == 3
    assert 5 in selection.chosen
    assert sum(decision.kind == "trajectory" for decision in selection.decisions) == 3


def test_unphysical_frames_need_no_features():
    """They have none where the potential fails; a pool of features does not mind."""
    atoms = bulk("Cu", "fcc", a=1.5, cubic=True)
    refused = Candidate(atoms, np.zeros((4, 0)), np.zeros(4))
    selection = select_batch([refused, candidate([1, 0], 0.5)], {29: np.ones((3, 2))}, 2)
    assert selection.chosen == (1,)
    assert selection.decisions[0].kind == "unphysical"


def test_what_is_certain_is_not_computed():
    selection = select_batch([candidate([1, 0], 0.05), candidate([2, 0], 0.2)], NOTHING, 2, min_uncertainty=0.1)
    assert selection.chosen == (1,)
    assert selection.decisions[0].kind == "certain"


def test_one_uncertain_atom_counts_and_is_named():
    atoms = bulk("Cu", cubic=True)
    features = np.zeros((4, 2))
    features[2] = [0.4, 0]
    local = Candidate(atoms, features, np.array([0.1, 0.1, 2.0, 0.1]))
    selection = select_batch([candidate([0.5, 0], 1.0), local], NOTHING, 1)
    assert selection.chosen == (1,)
    assert selection.decisions[1].atom == 2
    assert selection.decisions[1].distance == pytest.approx(0.4)


def test_an_element_that_is_new_comes_first():
    selection = select_batch([candidate([9, 9], 5.0), candidate([0, 0], 0.1, symbol="Au")], NOTHING, 1)
    assert selection.chosen == (1,)
    assert np.isinf(selection.decisions[1].distance)


@given(st.permutations(range(8)))
def test_the_order_of_the_candidates_does_not_matter(order):
    rng = np.random.default_rng(5)
    candidates = [candidate(rng.normal(size=2), rng.uniform(0.1, 1.0)) for _ in range(8)]
    expected = select_batch(candidates, NOTHING, 4).chosen
    shuffled = select_batch([candidates[k] for k in order], NOTHING, 4).chosen
    assert tuple(order[k] for k in shuffled) == expected


def test_the_batch_covers_space_better_than_the_most_uncertain_do():
    rng = np.random.default_rng(0)
    centers = np.concatenate([rng.normal([3, 0], 0.05, size=(60, 2)), rng.uniform(-3, 3, size=(60, 2))])
    candidates = [candidate(c, 1.0 if k < 60 else 0.8) for k, c in enumerate(centers)]
    chosen = centers[list(select_batch(candidates, NOTHING, 10).chosen)]
    top = centers[:10]

    def radius(picked):
        return max(np.linalg.norm(picked - c, axis=1).min() for c in centers)

    assert radius(chosen) < 0.5 * radius(top)


def test_unphysical_frames_are_refused_with_a_reason():
    close, lost, collapsed = bulk("Cu", cubic=True), bulk("Cu", cubic=True), bulk("Cu", cubic=True)
    close.positions[1] = close.positions[0] + [0.5, 0, 0]
    lost.positions[0, 0] = np.nan
    collapsed.set_cell(0.3 * np.eye(3))
    assert "0.50 A apart" in unphysical(close)
    assert "not finite" in unphysical(lost)
    assert "collapsed" in unphysical(collapsed)
    bad = Candidate(close, np.ones((4, 2)), np.full(4, 99.0))
    selection = select_batch([bad, candidate([1, 0], 0.1)], NOTHING, 2)
    assert selection.chosen == (1,)
    assert selection.decisions[0].kind == "unphysical"


def test_shapes_are_checked():
    with pytest.raises(DataError, match="features"):
        Candidate(bulk("Cu"), np.zeros((2, 3)), np.zeros(1))
    with pytest.raises(DataError, match="uncertainty"):
        Candidate(bulk("Cu"), np.zeros((1, 3)), np.zeros(2))
