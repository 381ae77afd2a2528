"""Labelled structures from ASE's EMT, whose energies, forces and stresses agree with each other."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

from mlpot.data import read_structures


def computed(atoms, **info):
    """Atoms with the results of EMT attached as a finished calculation."""
    work = atoms.copy()
    work.calc = EMT()
    results = {"energy": work.get_potential_energy(), "forces": work.get_forces()}
    if atoms.pbc.all():
        results["stress"] = work.get_stress()
    labelled = atoms.copy()
    labelled.info = dict(info)
    labelled.calc = SinglePointCalculator(labelled, **results)
    return labelled


def alloy(n_aluminium, rattle, strain, seed):
    """Copper cell of 32 atoms with some aluminium, strained and rattled."""
    rng = np.random.default_rng(seed)
    atoms = bulk("Cu", cubic=True, a=3.7).repeat(2)
    atoms.numbers[:n_aluminium] = 13
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain * rng.uniform(-1, 1, (3, 3))), scale_atoms=True)
    atoms.positions += rng.normal(0, rattle, atoms.positions.shape)
    return atoms


@pytest.fixture(scope="session")
def frames():
    """ASE atoms with labels: two isolated atoms, rattled and strained cells of two compositions."""
    isolated = [computed(Atoms(symbol, [[0, 0, 0]]), config_type="isolated_atom") for symbol in ("Al", "Cu")]
    rattled = [computed(alloy(8 * (k % 2), 0.05, 0.0, k), config_type="rattled") for k in range(20)]
    strained = [computed(alloy(8 * (k % 2), 0.0, 0.04, k), config_type="strained") for k in range(20)]
    return [*isolated, *rattled, *strained]


@pytest.fixture(scope="session")
def good_set(frames):
    """The same as labelled structures."""
    return read_structures(frames, required=("energy", "forces", "stress"))
