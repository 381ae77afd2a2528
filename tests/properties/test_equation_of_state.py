"""Lattice, cohesion and bulk modulus against brute force: second differences of the energy."""

import numpy as np
import pytest
from altered_calculators import Altered
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT
from emt_energies import curvature, energy_of, lattice_constant

from mlpot.errors import ConfigError, PropertyError
from mlpot.properties import equation_of_state


@pytest.mark.parametrize(("symbol", "guess"), [("Cu", 3.6), ("Al", 4.0)])
def test_equation_of_state_of_metals(symbol, guess):
    constant = lattice_constant(symbol, guess)
    result = equation_of_state(bulk(symbol, "fcc", a=guess, cubic=True), EMT())
    np.testing.assert_allclose(result.lengths, constant, rtol=1e-5)
    np.testing.assert_allclose(result.angles, 90.0, atol=1e-6)
    assert result.space_group == "Fm-3m"
    crystal = bulk(symbol, "fcc", a=constant)
    assert result.cohesive_energy == pytest.approx(energy_of(Atoms(symbol)) - energy_of(crystal), abs=1e-6)
    second = curvature(lambda x: energy_of(bulk(symbol, "fcc", a=constant * (1 + x))), 2e-3)
    modulus = second / 9 / crystal.get_volume() / units.GPa  # V d2E/dV2, dV = 3 V dx
    assert result.bulk_modulus == pytest.approx(modulus, rel=5e-3)
    assert result.volumes[np.argmin(result.energies)] == pytest.approx(result.volume, rel=1e-9)


@pytest.mark.parametrize("choice", [{"n_volumes": 9}, {"span": 0.03}])
def test_too_few_volumes_for_the_fit_are_refused(choice):
    with pytest.raises(ConfigError, match="the fit needs 5 volumes"):
        equation_of_state(bulk("Cu"), EMT(), **choice)


def test_volumes_at_the_ends_of_the_fit_belong_to_it():
    """Whatever rounding makes of 0.96 and 1.04: with them there are five."""
    result = equation_of_state(bulk("Cu"), EMT(), span=0.04, n_volumes=5)
    assert result.bulk_modulus == pytest.approx(equation_of_state(bulk("Cu"), EMT()).bulk_modulus, rel=0.01)


def test_a_volume_at_which_atoms_do_not_relax():
    """No energy of an unfinished relaxation goes into the fit."""

    def push(atoms, results):
        if atoms.get_volume() < 11.0:
            results["forces"] = results["forces"] + 0.1 * (2.0 + np.sin(5.0 * atoms.positions))

    with pytest.raises(PropertyError, match=r"0\.84 of its volume does not relax"):
        equation_of_state(bulk("Cu"), Altered(EMT(), push))
