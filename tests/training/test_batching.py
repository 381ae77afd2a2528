import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpot.training.batching import count_batches, plan_epoch, plan_evaluation, share_of

sizes = st.lists(st.integers(1, 60), min_size=1, max_size=80).map(lambda values: np.array(values, dtype=np.int64))


@given(sizes, st.integers(1, 200), st.integers(0, 5), st.integers(0, 5))
def test_every_structure_comes_once_an_epoch(n_atoms, batch_atoms, seed, epoch):
    batches = plan_epoch(n_atoms, batch_atoms, seed, epoch)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(n_atoms)))
    assert len(batches) == count_batches(n_atoms, batch_atoms)


@given(sizes, st.integers(20, 200))
def test_batches_differ_by_one_structure_at_most(n_atoms, batch_atoms):
    filled = [n_atoms[batch].sum() for batch in plan_epoch(n_atoms, batch_atoms, 0, 0)]
    assert max(filled) - min(filled) <= 2 * n_atoms.max()


def test_many_structures_of_mixed_size_make_even_batches():
    n_atoms = np.random.default_rng(0).integers(1, 65, 400)
    filled = np.array([n_atoms[batch].sum() for batch in plan_epoch(n_atoms, 200, 0, 0)])
    assert filled.max() / filled.min() < 1.1
    assert filled.mean() == pytest.approx(200, rel=0.02)


def test_order_follows_from_seed_and_epoch_alone():
    n_atoms = np.full(40, 3)

    def flat(seed, epoch):
        return np.concatenate(plan_epoch(n_atoms, 9, seed, epoch)).tolist()

    assert flat(1, 2) == flat(1, 2)
    assert flat(1, 2) != flat(1, 3)
    assert flat(1, 2) != flat(2, 2)


def test_structures_of_different_size_meet_in_new_company():
    n_atoms = np.arange(40, 60)
    first, second = ({frozenset(b.tolist()) for b in plan_epoch(n_atoms, 100, 0, epoch)} for epoch in (0, 1))
    assert not first & second


@given(sizes, st.integers(1, 200))
def test_evaluation_keeps_to_the_limit(n_atoms, batch_atoms):
    batches = plan_evaluation(n_atoms, batch_atoms)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(n_atoms)))
    assert all(n_atoms[batch].sum() <= batch_atoms or len(batch) == 1 for batch in batches)


@given(sizes, st.integers(1, 5))
def test_shares_of_processes_make_up_the_batch(n_atoms, n_processes):
    batch = np.arange(len(n_atoms))
    shares = [share_of(batch, n_atoms, rank, n_processes) for rank in range(n_processes)]
    assert sorted(np.concatenate(shares).tolist()) == batch.tolist()
    filled = [n_atoms[share].sum() for share in shares]
    assert max(filled) - min(filled) <= n_atoms.max()
