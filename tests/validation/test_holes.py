"""Rattled and random structures: a hole is found, named, and kept as a structure."""

import inspect
from functools import partial

import numpy as np
import pytest
from altered_calculators import Altered, well
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from ase.optimize import FIRE, LBFGS

import mlpot
from mlpot.properties import relaxed_crystal
from mlpot.validation.holes import (
    AMPLITUDES,
    VOLUMES,
    _random_structure_problems,
    _rattle_problems,
    check_random_structures,
    check_rattles,
    relax_random_structure,
)


def quiet(part):
    assert 0.0 <= part <= 1.0


def test_rattles_of_argon():
    argon = LennardJones(sigma=3.4, epsilon=0.0104, rc=6.0, ro=5.0, smooth=True)
    result = check_rattles(relaxed_crystal(bulk("Ar", a=5.3), argon), argon, quiet)
    assert result.status == "passed", result.sentence
    energies = result.numbers["energies_eV_per_atom"]
    assert energies.shape == (len(VOLUMES), len(AMPLITUDES), 10)
    assert energies.min() > 0
    assert result.structures == ()


def test_rattles_fall_into_a_hole(silicon):
    crystal = relaxed_crystal(bulk("Si"), silicon)
    holey = Altered(silicon, well(1.7, 30.0, 0.1))
    result = check_rattles(crystal, holey, quiet)
    assert result.status == "failed"
    assert "eV/atom below the relaxed one" in result.sentence
    worst = result.structures[0].copy()
    worst.calc = holey
    crystal.calc = holey
    assert worst.get_potential_energy() / len(worst) < crystal.get_potential_energy() / len(crystal)


def test_what_rattles_may_not_do():
    good = np.ones((len(VOLUMES), 1, 1)) * np.array(AMPLITUDES)[:, None] ** 2 * np.ones(3)
    assert _rattle_problems(good) == []
    late = good.copy()
    late[:, -1] = good[:, -2]  # atoms have passed each other: anything goes
    assert _rattle_problems(late) == []
    falling = good.copy()
    falling[1, 3] = 0.5 * good[1, 2]
    (sentence,) = _rattle_problems(falling)
    assert sentence == "the mean energy falls when displacements grow from 0.05 to 0.1 of contact"
    low = good.copy()
    low[3, 5, 0] = -0.3
    low[2, 4, 1] = np.nan
    sentences = _rattle_problems(low)
    assert sentences[0].startswith("the energy is not finite in 1 of 144")
    assert "rattled by 0.2 of contact at 0.7 of the volume lies 0.300 eV/atom below" in sentences[1]


def test_molecules_are_rattled_too(model_file):
    water = molecule("H2O")
    result = check_rattles(water, mlpot.load(model_file, precision="double"), quiet, n_samples=2)
    assert np.isfinite(result.numbers["energies_eV_per_atom"]).all()


def test_random_copper_does_not_fall_below_copper():
    result = check_random_structures(relaxed_crystal(bulk("Cu"), EMT()), EMT(), quiet, n_structures=4)
    assert result.status == "passed", result.sentence
    assert len(result.numbers["volumes"]) == 4


def test_random_structures_find_what_is_better_than_the_crystal():
    bcc = bulk("Cu", "bcc", a=2.87)
    result = check_random_structures(bcc, EMT(), quiet, n_structures=5)
    assert result.status == "failed"
    assert "relax to below the crystal, the lowest by 0.0" in result.sentence
    assert len(result.structures) >= 1


def distorted_argon():
    """A distorted cell of argon that every optimizer relaxes in a few steps."""
    atoms = bulk("Ar", a=5.3, cubic=True)
    atoms.rattle(0.2, seed=0)
    atoms.calc = LennardJones(sigma=3.4, epsilon=0.0104 * 20, rc=6.0, ro=5.0, smooth=True)
    return atoms


def largest_force(atoms):
    return np.linalg.norm(atoms.get_forces(), axis=1).max()


def test_the_next_optimizer_continues_a_relaxation_that_stalls():
    stalled = partial(LBFGS, maxstep=1e-9)  # a real one that cannot get anywhere, on any processor
    atoms = distorted_argon()
    start = largest_force(atoms)
    relax_random_structure(atoms, 200, 0.0, [stalled])
    assert largest_force(atoms) == pytest.approx(start, rel=1e-3)
    relax_random_structure(atoms, 200, 0.0, [stalled, FIRE])
    assert largest_force(atoms) < 0.05 < start


def test_two_optimizers_by_default():
    """LBFGS alone leaves some random structures with overlapping atoms and forces of 2000 eV/A."""
    assert inspect.signature(relax_random_structure).parameters["optimizers"].default == (LBFGS, FIRE)
    atoms = distorted_argon()
    relax_random_structure(atoms, 200, 0.0)
    assert largest_force(atoms) < 0.05


def test_random_structures_of_a_bad_model_collapse(bad_model):
    result = check_random_structures(bulk("Si"), mlpot.load(bad_model, precision="double"), quiet, n_structures=3)
    assert result.status == "failed"
    assert result.structures


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ((-0.5, 1.0, 0.7), "below the crystal, the lowest by 0.500 eV/atom at 0.70"),
        ((0.1, 0.3, 1.0), "atoms lie at 0.30"),
    ],
)
def test_what_counts_as_a_hole(row, words):
    (sentence,) = _random_structure_problems(np.array([row, (0.3, 1.0, 1.0)]))
    assert words in sentence
    assert _random_structure_problems(np.array([(0.3, 1.0, 1.0)])) == []
