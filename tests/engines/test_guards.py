"""Structures that no engine evaluates are refused by both with the same sentence; others give the same numbers."""

import sys
import threading

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.geometry import cellpar_to_cell

import mlpot
from mlpot.errors import DataError


@pytest.fixture(scope="module", params=["native", "torch"])
def calculator(request, deep_model_file):
    return mlpot.MLPotCalculator(deep_model_file, engine=request.param)


def silicon(repeat=1, seed=0):
    atoms = bulk("Si", cubic=True).repeat((repeat, 1, 1))
    atoms.rattle(0.05, seed=seed)
    return atoms


def flat(angle):
    cell = cellpar_to_cell([5.43, 5.43, 5.43, 90, 90, angle])
    return Atoms("Si2", cell=cell, scaled_positions=[[0, 0, 0], [0.25, 0.25, 0.5]], pbc=True)


def moved(atoms, by, which=slice(None)):
    atoms.positions[which] += by
    return atoms


@pytest.mark.parametrize("number", [119, -1, -105, 10**6])
def test_atomic_numbers_of_no_element(calculator, number):
    atoms = silicon()
    atoms.numbers[3] = number
    with pytest.raises(DataError, match=f"atomic numbers must be between 1 and 118, got {number} for atom 3"):
        calculator.get_forces(atoms)


@pytest.mark.parametrize(
    ("atoms", "message"),
    [
        (flat(0.01), "an atom has about 3e.08 neighbors within 4.5 A, expected at most 1e.05"),
        (flat(0.3), "an atom has about 3e.05 neighbors"),
        (moved(silicon(), 1e16), "atom 0 is at .* A, where positions are rounded to 2e.00 A; expected at most 1e.09 A"),
        (moved(silicon(), -1e16, 5), "atom 5 is at"),
        (moved(Atoms("Si2", [[0, 0, 0], [0, 0, 2.3]]), 1e12), "atom 0 is at .* positions are rounded to 1e-04 A"),
    ],
    ids=["flat", "less flat", "far", "one far", "cluster far"],
)
@pytest.mark.parametrize("has_list", [False, True])
def test_what_has_no_neighbor_list(calculator, atoms, message, has_list):
    calculator = calculator if has_list else calculator.__copy__()
    if has_list:
        calculator.get_forces(silicon())
    with pytest.raises(DataError, match=message):
        calculator.get_forces(atoms)
    np.testing.assert_array_equal(calculator.get_forces(silicon()), calculator.__copy__().get_forces(silicon()))


@pytest.mark.parametrize("dtype", [np.int64, np.float32])
def test_positions_of_other_types(calculator, dtype):
    atoms = silicon()
    atoms.positions = np.round(atoms.positions * 1.4)
    atoms.cell *= 1.4
    expected = calculator.get_forces(atoms)
    atoms.arrays["positions"] = atoms.positions.astype(dtype)
    np.testing.assert_array_equal(calculator.__copy__().get_forces(atoms), expected)


@pytest.fixture
def frequent_switches():
    """Python threads take turns as often as possible."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("frequent_switches")
def test_threads_share_a_calculator(calculator):
    """Structures of several sizes: each thread gets the results of its own."""
    structures = [silicon(1 + k % 3, seed=k) for k in range(8)]
    expected = [calculator.get_forces(atoms) for atoms in structures]
    wrong = []

    def compute(atoms, forces):
        for seed in range(8):
            atoms.calc = calculator
            atoms.positions[0] += 0.01 * (-1) ** seed  # or the results of before are those of now
            got = atoms.get_forces()
            if got.shape != forces.shape or (seed % 2 == 1 and not np.allclose(got, forces, rtol=0, atol=1e-9)):
                wrong.append(got.shape)

    threads = [threading.Thread(target=compute, args=pair) for pair in zip(structures, expected, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
