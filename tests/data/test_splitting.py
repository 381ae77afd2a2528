"""Splits and fingerprints: reproducible, whatever the order of the file, with groups and copies kept together."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from hypothesis import given, settings
from hypothesis import strategies as st

from mlpot.data import LabelledStructure, Subset, dataset_hash, split, split_by_key
from mlpot.data.hashing import geometry_digest
from mlpot.errors import DataError

FRACTIONS = {"train": 0.7, "valid": 0.2, "test": 0.1}


def dimers(n, **info):
    return [
        LabelledStructure(Atoms("H2", [[0, 0, 0], [0, 0, 0.7 + 0.01 * k]], info=dict(info)), energy=-k)
        for k in range(n)
    ]


@settings(max_examples=25)
@given(n=st.integers(10, 80), seed=st.integers(-(2**31), 2**31), shuffle=st.randoms(use_true_random=False))
def test_parts_are_complete_disjoint_and_do_not_depend_on_the_order(n, seed, shuffle):
    structures = dimers(n)
    parts = split(structures, FRACTIONS, seed)
    assert sorted(i for members in parts.values() for i in members) == list(range(n))
    for name, fraction in FRACTIONS.items():
        assert abs(len(parts[name]) - fraction * n) <= 1
    order = list(range(n))
    shuffle.shuffle(order)
    shuffled = split([structures[i] for i in order], FRACTIONS, seed)
    assert {name: sorted(order[i] for i in members) for name, members in shuffled.items()} == parts


def test_the_seed_matters():
    assert split(dimers(50), FRACTIONS, 1) != split(dimers(50), FRACTIONS, 2)


@settings(max_examples=25)
@given(seed=st.integers(0, 1000))
def test_copies_stay_together(seed):
    parts = split(dimers(20) * 3, FRACTIONS, seed)
    part_of = {i: name for name, members in parts.items() for i in members}
    assert all(part_of[i] == part_of[i + 20] == part_of[i + 40] for i in range(20))


def test_groups_stay_together():
    structures = [s for k in range(12) for s in dimers(3 + k % 4, run=k)]
    parts = split(structures, FRACTIONS, 0, by="run")
    for run in range(12):
        assert sum(any(structures[i].atoms.info["run"] == run for i in members) for members in parts.values()) == 1
    typed = [replace(s, config_type=f"t{k % 5}") for k, s in enumerate(dimers(50))]
    parts = split(typed, {"train": 0.6, "valid": 0.4}, 0, by="config_type")
    assert {len(members) for members in parts.values()} == {30, 20}


def test_isolated_atoms_go_to_the_first_part():
    structures = [*dimers(10), LabelledStructure(Atoms("H", [[0, 0, 0]]), energy=-13.6)]
    assert all(10 in split(structures, FRACTIONS, seed)["train"] for seed in range(20))


def test_given_parts():
    structures = [*dimers(3, split="train"), *dimers(2, split="test")]
    assert split_by_key(structures) == {"train": [0, 1, 2], "test": [3, 4]}
    with pytest.raises(DataError, match="frames 5-6 have no `split`"):
        split_by_key([*structures, *dimers(2)])


@pytest.mark.parametrize("fractions", [{}, {"a": 0.5}, {"a": 1.5, "b": -0.5}, {"a": 1.0, "b": 0.0}])
def test_bad_fractions(fractions):
    with pytest.raises(DataError, match="add up to 1"):
        split(dimers(10), fractions, 0)


def test_too_little_data_or_no_key():
    with pytest.raises(DataError, match="leaves nothing for"):
        split(dimers(2), FRACTIONS, 0)
    with pytest.raises(DataError, match="frame 0 has no `run`"):
        split(dimers(10), FRACTIONS, 0, by="run")


def test_dataset_hash_depends_on_every_label_and_the_order(good_set):
    base = [good_set[5], good_set[6]]
    first = base[0]
    moved = first.atoms.copy()
    moved.positions[0, 0] += 1e-12
    changes = [
        [base[1], base[0]],
        base[:1],
        [replace(first, energy=first.energy + 1e-9), base[1]],
        [replace(first, energy=None), base[1]],
        [replace(first, forces=first.forces + 1e-12), base[1]],
        [replace(first, stress=None), base[1]],
        [replace(first, weight=2.0), base[1]],
        [replace(first, config_type="other"), base[1]],
        [replace(first, atoms=moved), base[1]],
    ]
    hashes = [dataset_hash(structures) for structures in [base, *changes]]
    assert len(set(hashes)) == len(hashes)
    assert dataset_hash(list(base)) == hashes[0]


def test_geometry_digest_ignores_labels_and_the_sign_of_zero(good_set):
    first = good_set[5]
    assert geometry_digest(replace(first, energy=0.0, forces=None)) == geometry_digest(first)
    plus, minus = Atoms("H", [[0.0, 0, 0]]), Atoms("H", [[-0.0, 0, 0]])
    assert geometry_digest(LabelledStructure(plus)) == geometry_digest(LabelledStructure(minus))
    assert geometry_digest(LabelledStructure(Atoms("H", [[0, 0, 0]], pbc=True, cell=np.eye(3)))) != geometry_digest(
        LabelledStructure(Atoms("H", [[0, 0, 0]], cell=np.eye(3)))
    )


def test_subset_is_a_view(good_set):
    subset = Subset(good_set, [7, 3, 5])
    assert [s is good_set[i] for s, i in zip(subset, [7, 3, 5], strict=True)] == [True] * 3
    assert subset[1:][0] is good_set[3]
    assert Counter(s.config_type for s in subset) == {"rattled": 3}
