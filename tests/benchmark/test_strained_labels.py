"""benchmarks/strained_labels.py finds the elastic constants that labels of strained crystals hold."""

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.units import GPa
from typer.testing import CliRunner

from mlpot.properties import elastic_constants

LATTICE_CONSTANT = 3.5895
"""Of copper with EMT at rest, A."""


@pytest.fixture(scope="module")
def labels(load_script):
    return load_script("strained_labels")


@pytest.fixture(scope="module")
def crystals():
    """Strained by up to 1 % in all six components at once."""
    generator, found = np.random.default_rng(0), []
    for _ in range(60):
        atoms = bulk("Cu", a=LATTICE_CONSTANT, cubic=True)
        strain = generator.uniform(-0.01, 0.01, size=(3, 3))
        atoms.set_cell(atoms.cell @ (np.eye(3) + 0.5 * (strain + strain.T)), scale_atoms=True)
        atoms.calc = EMT()
        atoms.get_stress()
        found.append(atoms)
    return found


def test_stresses_determine_all_three_constants(labels, crystals):
    constants = elastic_constants(bulk("Cu", a=LATTICE_CONSTANT, cubic=True), EMT()).constants
    strains = np.array([labels.green_strain(atoms, LATTICE_CONSTANT, 4, 0.03) for atoms in crystals])
    stresses = np.array([labels.stress_per_reference(atoms, LATTICE_CONSTANT, 4) for atoms in crystals])
    stress, *found = labels.fit_stresses(strains, stresses)
    still = bulk("Cu", a=LATTICE_CONSTANT, cubic=True)
    still.calc = EMT()
    assert stress == pytest.approx(still.get_stress()[0] / GPa, abs=0.005)
    assert found == pytest.approx([constants[name] for name in ("C11", "C12", "C44")], rel=0.01)


def test_constants_that_no_structure_determines_are_not_a_number(labels):
    strains = np.array([[strain, 0, 0, 0, 0, 0] for strain in (-0.02, -0.01, 0.0, 0.01, 0.02)])
    _, c11, c12, c44 = labels.fit_stresses(strains, strains @ np.diag([1.0] * 6))
    assert np.isfinite([c11, c12]).all()
    assert np.isnan(c44)


def test_energies_along_one_axis_and_the_command(labels, tmp_path):
    frames = []
    for axis in range(3):
        for size in (-0.02, -0.01, 0.01, 0.02):
            atoms = bulk("Cu", a=LATTICE_CONSTANT, cubic=True)
            atoms.set_cell(atoms.cell * (1.0 + size * np.eye(3)[axis]), scale_atoms=True)
            atoms.calc = EMT()
            atoms.get_stress()
            frames.append(atoms)
    ase.io.write(tmp_path / "labels.extxyz", frames)
    options = ["--lattice-constant", str(LATTICE_CONSTANT), "--atoms-in-cell", "4", "--bulk-modulus", "135"]
    app = labels.typer.Typer()
    app.command()(labels.main)
    printed = CliRunner().invoke(app, [str(tmp_path / "labels.extxyz"), *options]).output
    c11 = elastic_constants(bulk("Cu", a=LATTICE_CONSTANT, cubic=True), EMT()).constants["C11"]
    assert f"C11 {c11:.0f}, C44 nan" in printed
    assert f"C11 {c11:.0f}, C12" in printed
