"""Rattles and random structures: a hole is found, named, and kept as a structure."""

import numpy as np
import pytest
from altered_calculators import Altered, well
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones

import mlpot
from mlpot.properties import relaxed_crystal
from mlpot.validation.holes import (
    AMPLITUDES,
    VOLUMES,
    _descent_problems,
    _fall,
    _random_start,
    _rattle_problems,
    check_descents,
    check_rattles,
)
from mlpot.validation.samples import closeness
from mlpot.validation.short_range import CORE
from mlpot.validation.test_system import prepare


def quiet(part):
    assert 0.0 <= part <= 1.0


def test_rattles_of_argon():
    argon = LennardJones(sigma=3.4, epsilon=0.0104, rc=6.0, ro=5.0, smooth=True)
    verdict = check_rattles(relaxed_crystal(bulk("Ar", a=5.3), argon), argon, quiet)
    assert verdict.status == "passed", verdict.sentence
    energies = verdict.numbers["energies_eV_per_atom"]
    assert energies.shape == (len(VOLUMES), len(AMPLITUDES), 10)
    assert energies.min() > 0
    assert verdict.structures == ()


def test_rattles_fall_into_a_hole(silicon):
    crystal = relaxed_crystal(bulk("Si"), silicon)
    holey = Altered(silicon, well(1.7, 30.0, 0.1))
    verdict = check_rattles(crystal, holey, quiet)
    assert verdict.status == "failed"
    assert "eV/atom below the relaxed one" in verdict.sentence
    worst = verdict.structures[0].copy()
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
    verdict = check_rattles(water, mlpot.load(model_file, precision="double"), quiet, n_samples=2)
    assert np.isfinite(verdict.numbers["energies_eV_per_atom"]).all()


def test_random_copper_does_not_fall_below_copper():
    verdict = check_descents(relaxed_crystal(bulk("Cu"), EMT()), EMT(), quiet, n_starts=6)
    assert verdict.status == "passed", verdict.sentence
    assert len(verdict.numbers["volumes"]) == 6


def test_random_structures_find_what_is_better_than_the_crystal():
    bcc = bulk("Cu", "bcc", a=2.87)
    verdict = check_descents(bcc, EMT(), quiet, n_starts=8)
    assert verdict.status == "failed"
    assert "fell below the crystal, the lowest by 0.0" in verdict.sentence
    assert len(verdict.structures) >= 1


def test_a_relaxation_that_stalls_goes_on():
    """LBFGS alone leaves two of these seven atoms at 0.22 of their contact, with forces of 2000 eV/A."""
    calculator = mlpot.load("Si-dft/accurate", precision="double")
    atoms = _random_start(prepare("Si:diamond:5.47", calculator).atoms, np.random.default_rng(171))
    atoms.calc = calculator
    assert closeness(atoms) < CORE
    _fall(atoms, 300, 0.0)
    assert closeness(atoms) > 0.9
    assert np.abs(atoms.get_forces()).max() < 0.1


def test_random_structures_of_a_bad_model_collapse(bad_model):
    verdict = check_descents(bulk("Si"), mlpot.load(bad_model, precision="double"), quiet, n_starts=10)
    assert verdict.status == "failed"
    assert verdict.structures


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ((-0.5, 1.0, 0.7), "below the crystal, the lowest by 0.500 eV/atom at 0.70"),
        ((0.1, 0.3, 1.0), "atoms lie at 0.30"),
    ],
)
def test_what_counts_as_a_hole(row, words):
    (sentence,) = _descent_problems(np.array([row, (0.3, 1.0, 1.0)]))
    assert words in sentence
    assert _descent_problems(np.array([(0.3, 1.0, 1.0)])) == []
