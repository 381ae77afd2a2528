"""The tables of the plugin are those of ASE."""

import re
from pathlib import Path

import numpy as np
import pytest
from ase.data import atomic_masses, chemical_symbols, covalent_radii

HEADER = Path(__file__).parents[2] / "plugins" / "lammps" / "chemical_elements.h"


def values(name):
    """Words of an array of the header, from atomic number 1 on."""
    return re.findall(r"[\w.]+", re.search(rf"{name}\[\] = \{{(.*?)\}};", HEADER.read_text(), re.DOTALL)[1])


def test_symbols():
    assert values("SYMBOLS") == chemical_symbols[1:]


@pytest.mark.parametrize(("name", "expected"), [("COVALENT_RADII", covalent_radii), ("MASSES", atomic_masses)])
def test_numbers(name, expected):
    np.testing.assert_allclose(np.array(values(name), float)[1:], expected[1:], atol=6e-4)
