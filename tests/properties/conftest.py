"""Crystals that tests of properties share."""

import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from mlpot.properties import relaxed_crystal


@pytest.fixture(scope="session")
def copper():
    """Lattice constant and energy of an atom of copper in EMT."""
    crystal = relaxed_crystal(bulk("Cu"), EMT())
    return crystal.cell.lengths()[0], crystal.get_potential_energy() / len(crystal)
