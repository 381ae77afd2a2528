"""Comparison of the engines for a given model, and detection of different numbers."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

import mlpot
from mlpot.validation.engines import SAME, check_engines, check_lammps, deviation, evaluate, in_a_box
from mlpot.validation.samples import random_cell, rattled


def quiet(part):
    assert 0.0 <= part <= 1.0


@pytest.fixture(scope="module")
def structures():
    rng = np.random.default_rng(2)
    wire = random_cell(["Si", "O", "H"], rng)
    wire.pbc = (False, False, True)
    return {"cell": random_cell(["Si", "O"], rng), "wire": wire, "water": molecule("H2O")}


def test_engines(deep_model_file, structures):
    result = check_engines(deep_model_file, structures, quiet)
    assert result.status == "passed", result.sentence
    assert result.numbers["native float64_relative"] < SAME < result.numbers["native float32_relative"]


@pytest.mark.lammps
def test_lammps(deep_model_file, structures):
    result = check_lammps(deep_model_file, structures, quiet)
    assert result.status == "passed", result.sentence
    assert set(result.numbers) == {"ranks_1_relative", "ranks_2_relative"}


def test_deviations_are_seen():
    same = (-8.0, np.ones((4, 3)), np.eye(3))
    assert deviation(same, same) == 0.0
    assert deviation((-8.0 + 4e-6, np.ones((4, 3)), np.eye(3)), same) == pytest.approx(5e-7)
    assert deviation((-8.0, np.ones((4, 3)), np.eye(3) + 1e-7), same) == pytest.approx(1e-7)
    forces = np.ones((4, 3))
    forces[2, 1] = np.nan
    assert not deviation((-8.0, forces, np.eye(3)), same) < SAME


def test_boxes_for_lammps(model_file):
    calculator = mlpot.load(model_file, precision="double")
    turned = rattled(bulk("Si"), 0.1, np.random.default_rng(0))
    turned.rotate(50.0, (1, 2, 3), rotate_cell=True)
    slab = rattled(bulk("Si", cubic=True), 0.1, np.random.default_rng(0))
    slab.pbc = (True, True, False)
    for atoms in (turned, slab, molecule("H2O"), Atoms("Si")):
        boxed = in_a_box(atoms)
        assert abs(np.triu(boxed.cell.array, 1)).max() < 1e-12
        assert boxed.cell.volume > 0
        assert evaluate(boxed, calculator)[0] == pytest.approx(evaluate(atoms, calculator)[0], abs=1e-9)
        lengths = evaluate(boxed, calculator)[1], evaluate(atoms, calculator)[1]
        np.testing.assert_allclose(*(np.linalg.norm(forces, axis=1) for forces in lengths), atol=1e-9)
