"""Unphysical frames."""

import pytest
from ase.build import molecule

from mlpot.active_learning.selection.sanity import unphysical


@pytest.mark.parametrize("name", ["H2O", "CH3CH2OH", "N2", "C6H6", "SiH4"])
def test_molecules_are_physical(name):
    assert unphysical(molecule(name)) is None
