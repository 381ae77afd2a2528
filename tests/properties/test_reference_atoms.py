"""Energies relative to fitted references are not called cohesive energies."""

import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

import mlpot
from mlpot.properties import equation_of_state
from mlpot.properties.reference_atoms import zero_of_energy


@pytest.mark.parametrize(("name", "zero"), [("Si/fast", "fitted references"), ("Si-dft/fast", "free atoms")])
def test_references_of_shipped_potentials(name, zero):
    assert zero_of_energy(mlpot.load(name)) == zero


def test_other_calculators_have_free_atoms():
    assert zero_of_energy(EMT()) == "free atoms"


@pytest.mark.parametrize(
    ("name", "quantity"), [("Si/fast", "energy below the fitted references"), ("Si-dft/fast", "cohesive energy")]
)
def test_the_table_names_the_zero(name, quantity):
    state = equation_of_state(bulk("Si"), mlpot.load(name, precision="double"), span=0.04, n_volumes=5)
    (row,) = (row for row in state.rows() if row.unit == "eV/atom")
    assert row.quantity == quantity
