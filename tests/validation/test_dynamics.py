"""Energy conservation and high-temperature MD, in LAMMPS and ASE, and each event that stops a run."""

import numpy as np
import pytest
from altered_calculators import Altered
from ase import Atoms
from ase.build import bulk

import mlpot
from mlpot.properties import relaxed_crystal
from mlpot.simulation import relax
from mlpot.validation.conservation import check_conservation
from mlpot.validation.high_temperature import RunMonitor, check_high_temperature
from mlpot.validation.runs import Snapshot
from mlpot.validation.samples import timestep_for


def quiet(part):
    assert 0.0 <= part <= 1.0 + 1e-9


@pytest.fixture(scope="module")
def crystal(silicon):
    return relaxed_crystal(bulk("Si"), silicon)


@pytest.fixture(scope="module")
def ground_energy(silicon, crystal):
    return silicon.get_potential_energy(crystal) / len(crystal)


def test_conservation(silicon, crystal):
    result = check_conservation(crystal, silicon, quiet, temperature=1600.0, time=1.0)
    assert result.status == "passed", result.sentence
    assert result.numbers["n_atoms"] == 64
    assert 600 < result.numbers["temperature_K"] < 1100


def test_forces_that_are_no_gradient_do_not_conserve(silicon, crystal):
    def alter(atoms, results):
        results["forces"] *= 1.0 + 0.02 * np.sin(40.0 * atoms.positions)

    result = check_conservation(crystal, Altered(silicon, alter), quiet, temperature=1600.0, time=1.0)
    assert result.status == "failed"
    assert "the total energy" in result.sentence


@pytest.mark.lammps
def test_high_temperature_in_lammps(silicon, crystal, ground_energy):
    result = check_high_temperature(crystal, silicon, quiet, temperature=3374.0, time=0.4, ground_energy=ground_energy)
    assert result.status == "passed", result.sentence
    assert "144 atoms at 3374 K in LAMMPS" in result.sentence
    assert len(result.numbers["time_ps"]) == 20
    assert result.numbers["time_ps"][-1] == pytest.approx(0.4)
    assert 1500 < result.numbers["temperature_K"].mean() < 4500
    np.testing.assert_allclose(np.ptp(result.numbers["conserved_eV_per_atom"]), 0.0, atol=5e-3)


def test_high_temperature_in_ase(silicon):
    triangle = Atoms("Si3", [[0, 0, 0], [2.3, 0, 0], [1.2, 2.0, 0]], calculator=silicon)
    ground_energy = relax(triangle, fmax=0.01).energy / 3
    result = check_high_temperature(triangle, silicon, quiet, temperature=300.0, time=0.2, ground_energy=ground_energy)
    assert result.status == "passed", result.sentence
    assert "3 atoms at 300 K in ASE" in result.sentence
    assert len(result.numbers["time_ps"]) == 10
    assert np.ptp(result.numbers["conserved_eV_per_atom"]) < 5e-3


def test_high_temperature_with_a_bad_model(bad_model, crystal):
    calculator = mlpot.load(bad_model, precision="double")
    start = calculator.get_potential_energy(crystal) / len(crystal)
    result = check_high_temperature(crystal, calculator, quiet, temperature=3374.0, time=2.0, ground_energy=start)
    assert result.status == "failed"
    assert result.sentence.startswith("after 0.")
    assert len(result.structures[0]) == 144


GOOD = Snapshot(1.0, 1000.0, -4.0, -3.0, 0.9, 0)


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"closeness": 0.5}, "0.50 of their covalent contact"),
        ({"temperature": 3000.0}, "the temperature is 3000 K"),
        ({"temperature": np.nan}, "the temperature is nan K"),
        ({"conserved": -2.9}, "the conserved energy jumps by 0.1 eV/atom"),
        ({"potential": -4.6, "conserved": -3.0}, "0.100 eV/atom below the relaxed structure"),
        ({"isolated": 2}, "2 atoms have lost all neighbors"),
    ],
)
def test_unphysical_events(event, words):
    monitor = RunMonitor(100, 1000.0, -4.5, is_lowest=True)
    assert monitor.add(GOOD) == []
    (sentence,) = monitor.add(GOOD._replace(time=1.02, **event))
    assert words in sentence


def test_a_molecule_may_turn_into_a_better_one():
    monitor = RunMonitor(8, 1000.0, -4.5, is_lowest=False)
    assert monitor.add(GOOD._replace(potential=-4.6)) == []


def test_timesteps():
    assert timestep_for(bulk("Si")) == 1.0
    assert timestep_for(bulk("NaH", "rocksalt", a=4.9)) == pytest.approx(0.25, abs=0.01)
