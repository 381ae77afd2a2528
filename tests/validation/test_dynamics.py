"""Dynamics of the checks: conserved energy, hot runs in LAMMPS and ASE, and every event that stops them."""

import numpy as np
import pytest
from altered_calculators import Altered
from ase import Atoms
from ase.build import bulk

import mlpot
from mlpot.properties import relaxed_crystal
from mlpot.simulation import relax
from mlpot.validation.conservation import check_conservation
from mlpot.validation.high_temperature import Watch, check_hot
from mlpot.validation.runs import Look
from mlpot.validation.samples import timestep_for


def quiet(part):
    assert 0.0 <= part <= 1.0 + 1e-9


@pytest.fixture(scope="module")
def crystal(silicon):
    return relaxed_crystal(bulk("Si"), silicon)


@pytest.fixture(scope="module")
def ground(silicon, crystal):
    return silicon.get_potential_energy(crystal) / len(crystal)


def test_conservation(silicon, crystal):
    verdict = check_conservation(crystal, silicon, quiet, temperature=1600.0, time=1.0)
    assert verdict.status == "passed", verdict.sentence
    assert verdict.numbers["n_atoms"] == 64
    assert 600 < verdict.numbers["temperature_K"] < 1100


def test_forces_that_are_no_gradient_do_not_conserve(silicon, crystal):
    def alter(atoms, results):
        results["forces"] *= 1.0 + 0.02 * np.sin(40.0 * atoms.positions)

    verdict = check_conservation(crystal, Altered(silicon, alter), quiet, temperature=1600.0, time=1.0)
    assert verdict.status == "failed"
    assert "the total energy" in verdict.sentence


@pytest.mark.lammps
def test_hot_in_lammps(silicon, crystal, ground):
    verdict = check_hot(crystal, silicon, quiet, temperature=3374.0, time=0.4, ground=ground)
    assert verdict.status == "passed", verdict.sentence
    assert "144 atoms at 3374 K in LAMMPS" in verdict.sentence
    assert len(verdict.numbers["time_ps"]) == 20
    assert verdict.numbers["time_ps"][-1] == pytest.approx(0.4)
    assert 1500 < verdict.numbers["temperature_K"].mean() < 4500
    np.testing.assert_allclose(np.ptp(verdict.numbers["conserved_eV_per_atom"]), 0.0, atol=5e-3)


def test_hot_in_ase(silicon):
    triangle = Atoms("Si3", [[0, 0, 0], [2.3, 0, 0], [1.2, 2.0, 0]], calculator=silicon)
    ground = relax(triangle, fmax=0.01).energy / 3
    verdict = check_hot(triangle, silicon, quiet, temperature=300.0, time=0.2, ground=ground)
    assert verdict.status == "passed", verdict.sentence
    assert "3 atoms at 300 K in ASE" in verdict.sentence
    assert len(verdict.numbers["time_ps"]) == 10
    assert np.ptp(verdict.numbers["conserved_eV_per_atom"]) < 5e-3


def test_hot_with_a_bad_model(bad_model, crystal):
    calculator = mlpot.load(bad_model, precision="double")
    start = calculator.get_potential_energy(crystal) / len(crystal)
    verdict = check_hot(crystal, calculator, quiet, temperature=3374.0, time=2.0, ground=start)
    assert verdict.status == "failed"
    assert verdict.sentence.startswith("after 0.")
    assert len(verdict.structures[0]) == 144


GOOD = Look(1.0, 1000.0, -4.0, -3.0, 0.9, 0)


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"closeness": 0.5}, "0.50 of their covalent contact"),
        ({"temperature": 3000.0}, "the temperature is 3000 K"),
        ({"temperature": np.nan}, "the temperature is nan K"),
        ({"conserved": -2.9}, "the conserved energy jumps by 0.1 eV/atom"),
        ({"potential": -4.6, "conserved": -3.0}, "0.100 eV/atom below the relaxed structure"),
        ({"alone": 2}, "2 atoms have lost all neighbours"),
    ],
)
def test_unphysical_events(event, words):
    watch = Watch(100, 1000.0, -4.5, is_lowest=True)
    assert watch.see(GOOD) == []
    (sentence,) = watch.see(GOOD._replace(time=1.02, **event))
    assert words in sentence


def test_a_molecule_may_turn_into_a_better_one():
    watch = Watch(8, 1000.0, -4.5, is_lowest=False)
    assert watch.see(GOOD._replace(potential=-4.6)) == []


def test_timesteps():
    assert timestep_for(bulk("Si")) == 1.0
    assert timestep_for(bulk("NaH", "rocksalt", a=4.9)) == pytest.approx(0.25, abs=0.01)
