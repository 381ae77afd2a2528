"""Wrong forces and stresses and energies without rotational symmetry are detected, however small the error."""

import numpy as np
import pytest
from altered_calculators import Altered
from ase.build import bulk

from mlpot.validation.derivatives import check_derivatives, check_symmetries
from mlpot.validation.samples import random_cell, rattled


def quiet(part):
    assert 0.0 <= part <= 1.0


@pytest.fixture(scope="module")
def structures():
    rng = np.random.default_rng(1)
    crystal = rattled(bulk("Si"), 0.1, rng)
    cluster = random_cell(["Si"], rng, n_atoms=4)
    cluster.pbc = False
    return {"crystal": crystal, "cluster": cluster}


def test_a_good_potential_passes(silicon, structures):
    for check in (check_derivatives, check_symmetries):
        result = check(structures, silicon, quiet)
        assert result.status == "passed", result.sentence
    assert {"crystal_virial", "cluster_forces"} <= set(check_derivatives(structures, silicon, quiet).numbers)


def wrong_force(atoms, results):
    results["forces"][0, 0] += 1e-5


def wrong_stress(atoms, results):
    if "stress" in results:
        results["stress"][3] *= 1.0001


@pytest.mark.parametrize(("alter", "words"), [(wrong_force, "forces of crystal"), (wrong_stress, "virial of crystal")])
def test_wrong_derivatives_fail(silicon, structures, alter, words):
    result = check_derivatives(structures, Altered(silicon, alter), quiet)
    assert result.status == "failed"
    assert words in result.sentence


def knows_where_up_is(atoms, results):
    if not atoms.pbc.any():
        results["energy"] += 1e-6 * np.ptp(atoms.positions[:, 2])


def knows_the_numbering(atoms, results):
    results["forces"][0] += 1e-6


def knows_the_origin(atoms, results):
    results["energy"] += 1e-6 * np.sin(atoms.positions[0, 0])


def is_not_extensive(atoms, results):
    results["energy"] += 1e-6 * len(atoms) ** 2


@pytest.mark.parametrize(
    ("alter", "operation"),
    [
        (knows_where_up_is, "cluster: rotation"),
        (knows_the_numbering, "permutation"),
        (knows_the_origin, "translation"),
        (is_not_extensive, "crystal: repetition"),
    ],
)
def test_broken_symmetries_fail(silicon, structures, alter, operation):
    result = check_symmetries(structures, Altered(silicon, alter), quiet)
    assert result.status == "failed"
    assert operation in result.sentence
