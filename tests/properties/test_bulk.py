"""Lattice, cohesion, bulk modulus and elastic constants against brute force: second differences of the energy."""

import numpy as np
import pytest
from altered_calculators import Altered
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.optimize import BFGS
from scipy.optimize import minimize_scalar

import mlpot
from mlpot.errors import ConfigError, PropertyError
from mlpot.properties import elastic_constants, equation_of_state


def energy_of(atoms):
    atoms.calc = EMT()
    return atoms.get_potential_energy()


def lattice_constant(symbol, guess):
    options = {"xatol": 1e-7}
    bounds = (0.97 * guess, 1.03 * guess)
    return minimize_scalar(
        lambda a: energy_of(bulk(symbol, "fcc", a=a)), bounds=bounds, method="bounded", options=options
    ).x


def curvature(function, step):
    """Second derivative at 0, of fourth order."""
    values = [function(k * step) for k in (-2, -1, 0, 1, 2)]
    return np.dot([-1 / 12, 4 / 3, -5 / 2, 4 / 3, -1 / 12], values) / step**2


def strained_energy(atoms, strain, relaxed=False):
    strained = atoms.copy()
    strained.set_cell(atoms.cell.array @ (np.eye(3) + np.asarray(strain)), scale_atoms=True)
    strained.calc = atoms.calc if atoms.calc is not None else EMT()
    if relaxed:
        BFGS(strained, logfile=None).run(fmax=1e-6, steps=200)
    return strained.get_potential_energy()


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


@pytest.mark.parametrize(("symbol", "guess"), [("Cu", 3.6), ("Al", 4.0)])
def test_elastic_constants_of_metals(symbol, guess):
    crystal = bulk(symbol, "fcc", a=lattice_constant(symbol, guess))
    scale = crystal.get_volume() * units.GPa
    axial = curvature(lambda x: strained_energy(crystal, np.diag([x, 0, 0])), 2e-3) / scale
    biaxial = curvature(lambda x: strained_energy(crystal, np.diag([x, x, 0])), 2e-3) / scale
    shear = [[0, 0.5, 0], [0.5, 0, 0], [0, 0, 0]]
    c44 = curvature(lambda x: strained_energy(crystal, x * np.array(shear)), 2e-3) / scale
    # A supercell, turned: the crystal is the same, and so are its constants.
    turned = crystal.repeat((2, 1, 1))
    turned.rotate(33.0, (1, 2, 3), rotate_cell=True)
    for cell in (crystal, turned):
        result = elastic_constants(cell, EMT())
        expected = {"C11": axial, "C12": biaxial / 2 - axial, "C44": c44}
        assert result.constants == pytest.approx(expected, rel=2e-3)
        assert result.crystal_system == "cubic"
        assert result.stable
        assert result.asymmetry < 1e-3
        assert result.bulk_modulus == pytest.approx((expected["C11"] + 2 * expected["C12"]) / 3, rel=2e-3)


def test_atoms_relax_inside_the_strained_cell():
    calculator = mlpot.load("Si-dft/fast", precision="double")
    result = elastic_constants(bulk("Si"), calculator)
    crystal = bulk("Si", a=equation_of_state(bulk("Si"), calculator).lengths[0])
    crystal.calc = calculator
    shear = np.array([[0, 0.5, 0], [0.5, 0, 0], [0, 0, 0]])
    scale = crystal.get_volume() * units.GPa
    relaxed = curvature(lambda x: strained_energy(crystal, x * shear, relaxed=True), 4e-3) / scale
    rigid = curvature(lambda x: strained_energy(crystal, x * shear), 4e-3) / scale
    assert rigid > 1.15 * relaxed
    assert result.constants["C44"] == pytest.approx(relaxed, rel=5e-3)


def test_constants_of_a_hexagonal_crystal():
    result = elastic_constants(bulk("Cu", "hcp", a=2.55, c=4.15), EMT())
    matrix = result.matrix
    assert result.crystal_system == "hexagonal"
    assert matrix[5, 5] == pytest.approx((matrix[0, 0] - matrix[0, 1]) / 2, rel=1e-3)
    assert matrix[0, 0] == pytest.approx(matrix[1, 1])
    assert matrix[3, 3] == pytest.approx(matrix[4, 4])
    assert set(result.constants) == {"C11", "C12", "C13", "C33", "C44", "C66"}
    assert result.asymmetry < 0.5


def test_an_unstable_lattice_is_seen():
    assert not elastic_constants(bulk("Cu", "bcc", a=2.86), EMT()).stable


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


def test_only_crystals_are_taken():
    with pytest.raises(PropertyError, match="periodic in three directions"):
        elastic_constants(Atoms("Cu2", [[0, 0, 0], [0, 0, 2.4]]), EMT())
