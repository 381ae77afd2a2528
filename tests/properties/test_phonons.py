"""Phonons against phonopy, at wave vectors that fit into the supercell."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from phonopy import Phonopy
from phonopy.structure.atoms import PhonopyAtoms

import mlpot
from mlpot.plotting import new_figure
from mlpot.properties import phonons, relaxed_crystal
from mlpot.properties.crystal import primitive_cell


@pytest.fixture(scope="module")
def calculator():
    return mlpot.load("Si-dft/fast", precision="double")


def phonopy_frequencies(primitive, calculator, times, points):
    """Frequencies (THz) by phonopy, which displaces symmetry-inequivalent atoms only."""
    cell = PhonopyAtoms(primitive.symbols, cell=primitive.cell, scaled_positions=primitive.get_scaled_positions())
    phonopy = Phonopy(cell, supercell_matrix=np.diag(times))
    phonopy.generate_displacements(distance=0.01)
    forces = []
    for displaced in phonopy.supercells_with_displacements:
        atoms = Atoms(displaced.symbols, displaced.positions, cell=displaced.cell, pbc=True, calculator=calculator)
        forces.append(atoms.get_forces())
    phonopy.forces = forces
    phonopy.produce_force_constants()
    phonopy.symmetrize_force_constants()
    phonopy.run_qpoints(points)
    return phonopy.qpoints.frequencies


def test_against_phonopy(calculator):
    result = phonons(bulk("Si"), calculator, shortest=15.0)
    assert result.supercell == (5, 5, 5)
    primitive = primitive_cell(relaxed_crystal(bulk("Si"), calculator))
    path = primitive.cell.bandpath(npoints=len(result.distances)).kpts
    chosen = path[[0, 40, 75, 110, 140]]
    expected = phonopy_frequencies(primitive, calculator, (5, 5, 5), chosen)
    np.testing.assert_allclose(result.frequencies[[0, 40, 75, 110, 140]], expected, atol=0.02)
    assert result.frequencies[0].max() == pytest.approx(expected[0].max(), abs=1e-3)


def test_silicon_is_stable(calculator):
    result = phonons(bulk("Si"), calculator)
    assert result.stable
    assert result.n_imaginary == 0
    assert abs(result.lowest) < 0.01
    assert 13.5 < result.highest < 16.0
    assert result.labels[0] == (0.0, "G")
    assert len({place for place, _ in result.labels}) == len(result.labels)


def test_an_unstable_crystal_is_seen():
    result = phonons(bulk("Cu", "bcc", a=2.86), EMT(), shortest=10.0)
    assert not result.stable
    assert result.n_imaginary > 0
    assert result.lowest < -1.0
    assert "THz at" in {row.quantity: row.value for row in result.rows()}["imaginary phonons"]


def test_the_supercell_stays_small(calculator):
    assert phonons(bulk("Si"), calculator, shortest=60.0, max_atoms=60).supercell == (3, 3, 3)


def test_plot(calculator, tmp_path):
    figure = new_figure(4.0, 3.0)
    phonons(bulk("Si"), calculator, max_atoms=60).plot(figure.subplots())
    figure.savefig(tmp_path / "bands.png")
