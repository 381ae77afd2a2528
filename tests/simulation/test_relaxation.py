"""Relaxation ends where the gradient of energy (or enthalpy) vanishes; the result shows whether it did."""

import numpy as np
import pytest
from ase import units
from ase.build import bulk, molecule

import mlpot
from mlpot.errors import ConfigError, EngineError
from mlpot.simulation import relax


@pytest.fixture
def primitive(model_file):
    atoms = bulk("Si")
    atoms.positions[1] += [0.1, 0.05, -0.02]
    atoms.calc = mlpot.MLPotCalculator(model_file)
    return atoms


@pytest.mark.parametrize("optimizer", ["lbfgs", "bfgs", "fire"])
def test_atoms(primitive, optimizer):
    before, volume = primitive.get_potential_energy(), primitive.get_volume()
    seen = []
    result = relax(primitive, fmax=0.02, optimizer=optimizer, on_step=lambda step, force: seen.append((step, force)))
    assert result.converged
    assert np.linalg.norm(primitive.get_forces(), axis=1).max() < 0.02
    assert result.max_force == seen[-1][1] < 0.02
    assert result.steps == seen[-1][0]
    assert result.energy_change == pytest.approx(primitive.get_potential_energy() - before)
    assert result.volume == volume


def test_cell_under_pressure(primitive):
    primitive.calc = mlpot.load("Si-dft/fast", precision="double")
    result = relax(primitive, fmax=1e-3, cell=True, pressure=5.0, steps=300)
    assert result.converged
    assert result.pressure == pytest.approx(5.0, abs=0.1)
    np.testing.assert_allclose(primitive.get_stress(), [-5 * units.GPa] * 3 + [0] * 3, atol=1e-3)


def test_too_few_steps_are_reported(primitive):
    result = relax(primitive, fmax=1e-6, steps=2)
    assert not result.converged
    assert result.steps == 2


def test_a_failure_leaves_the_last_good_geometry(primitive):
    start = primitive.positions.copy()
    primitive.calc = mlpot.MLPotCalculator(primitive.calc.parameters["path"], engine="torch")

    def spoil(step, force):
        primitive.calc.engine.scripted.module.reference_energies[2] = np.nan

    with pytest.raises(EngineError, match="not finite"):
        relax(primitive, on_step=spoil)
    np.testing.assert_array_equal(primitive.positions, start)


def test_contradictions_are_refused(model_file, primitive):
    water = molecule("H2O", calculator=mlpot.MLPotCalculator(model_file))
    with pytest.raises(ConfigError, match="three periodic directions"):
        relax(water, cell=True)
    with pytest.raises(ConfigError, match="set `cell`"):
        relax(primitive, pressure=1.0)
    with pytest.raises(ConfigError, match="`optimizer` must be one of"):
        relax(primitive, optimizer="newton")
    with pytest.raises(ConfigError, match="`fmax`"):
        relax(primitive, fmax=0)
    with pytest.raises(ConfigError, match="calculator"):
        relax(molecule("H2O"))
