"""Elastic constants against brute force: second differences of the energy."""

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT
from emt_energies import curvature, lattice_constant, strained_energy

import mlpot
from mlpot.errors import PropertyError
from mlpot.properties import elastic_constants, equation_of_state


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


def test_only_crystals_are_taken():
    with pytest.raises(PropertyError, match="periodic in three directions"):
        elastic_constants(Atoms("Cu2", [[0, 0, 0], [0, 0, 2.4]]), EMT())
