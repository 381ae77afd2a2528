"""Structures of a benchmark: crystals of any size, and files."""

import itertools
import math

import numpy as np
import pytest
from ase.build import bulk, molecule
from hypothesis import given
from hypothesis import strategies as st

from mlpot.benchmark.systems import RATTLE, crystal, read_system, write_ase
from mlpot.errors import ConfigError, DataError


@given(st.integers(1, 600))
def test_crystals_are_nearly_cubic_and_of_the_requested_size(n_cells):
    system = crystal(("Si",), 8 * n_cells)
    lengths = system.atoms.cell.lengths() / 5.431
    numbers = np.rint(lengths).astype(int)
    np.testing.assert_allclose(lengths, numbers, rtol=1e-12)
    assert numbers.max() - numbers.min() <= 1
    base = numbers.min()
    others = itertools.combinations_with_replacement((base, base + 1), 3)
    assert abs(math.prod(numbers) - n_cells) == min(abs(math.prod(other) - n_cells) for other in others)
    assert len(system.atoms) == 8 * math.prod(numbers)


def test_silicon_has_28_neighbors_and_is_rattled():
    system = crystal(("Si",), 512)
    assert system.neighbors(5.0) == 28.0
    displacements = system.atoms.positions - bulk("Si", a=5.431, cubic=True).repeat(4).positions
    assert displacements.std() == pytest.approx(RATTLE, rel=0.1)


def test_several_elements_share_the_sites_at_random():
    system = crystal(("H", "O"), 1000)
    symbols = np.array(system.atoms.get_chemical_symbols())
    assert (symbols == "H").sum() == (symbols == "O").sum() == 500
    assert (symbols[:-1] == symbols[1:]).mean() == pytest.approx(0.5, abs=0.1)
    assert len(system.atoms) / system.atoms.cell.volume == pytest.approx(0.1, rel=0.1)  # water: 0.100 A^-3


@pytest.mark.parametrize("elements", [(), ("Xx",), ("X",), ("Si", "Si")])
def test_elements_that_do_not_exist_are_refused(elements):
    with pytest.raises(ConfigError, match="different chemical symbols"):
        crystal(elements, 64)


def test_structures_are_read_and_repeated(tmp_path):
    write_ase(crystal(("Ga", "As"), 64), tmp_path / "crystal.traj")
    system = read_system(tmp_path / "crystal.traj", 500)
    assert len(system.atoms) == 512
    assert set(system.elements) == {"Ga", "As"}
    molecule("H2O").write(tmp_path / "molecule.xyz")
    assert (read_system(tmp_path / "molecule.xyz").atoms.cell.lengths() >= 20.0).all()
    with pytest.raises(DataError, match="not periodic in three directions, so it cannot be repeated to 500"):
        read_system(tmp_path / "molecule.xyz", 500)
    with pytest.raises(DataError, match="cannot be read as a structure"):
        read_system(tmp_path / "nothing.xyz")
