"""Structures by name or file, cells, symmetry."""

import numpy as np
import pytest
from altered_calculators import Altered
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.io import write

from mlpot.errors import ConfigError, PropertyError
from mlpot.properties import relaxed_crystal, structure_from
from mlpot.properties.crystal import conventional_cell, face_distances, primitive_cell, repeats, symmetry_of


def test_names(tmp_path):
    assert structure_from("Si:diamond:5.43").cell.volume == pytest.approx(5.43**3 / 4)
    assert structure_from("Mg:hcp:3.2:5.2").cell.lengths()[2] == pytest.approx(5.2)
    assert sorted(structure_from("NaCl:rocksalt:5.6").symbols) == ["Cl", "Na"]
    assert structure_from("Cu").cell.volume == pytest.approx(3.61**3 / 4)
    path = tmp_path / "some.xyz"
    write(path, [bulk("Al"), bulk("Cu") * (2, 1, 1)])
    assert len(structure_from(str(path))) == 2


@pytest.mark.parametrize("text", ["missing.xyz", "Si:diamond:five", "Si:nonsense:5.4", "Xx:fcc:3.0", "NaCl"])
def test_what_is_no_structure(text):
    with pytest.raises(ConfigError, match="neither a file nor a crystal"):
        structure_from(text)


def test_cells():
    strange = bulk("Si").repeat((3, 1, 2))
    strange.rotate(40.0, (1, 1, 3), rotate_cell=True)
    conventional = conventional_cell(strange)
    np.testing.assert_allclose(conventional.cell.array, 5.43 * np.eye(3), atol=1e-9)
    assert len(conventional) == 8
    assert len(primitive_cell(strange)) == 2
    symmetry = symmetry_of(conventional)
    assert (symmetry.space_group, symmetry.crystal_system, len(symmetry.rotations)) == ("Fd-3m", "cubic", 48)
    products = symmetry.rotations @ symmetry.rotations.transpose(0, 2, 1)
    np.testing.assert_allclose(products, np.broadcast_to(np.eye(3), products.shape), atol=1e-9)


def test_faces():
    cell = Atoms("Mg", cell=[[2.0, 0.0, 0.0], [3.0, 4.0, 0.0], [0.0, 0.0, 5.0]], pbc=True)
    np.testing.assert_allclose(face_distances(cell), [8 / 5, 4.0, 5.0])  # area of the plane over the length of a side
    assert repeats(cell, 10.0) == (7, 3, 2)
    assert repeats(cell, 0.1) == (1, 1, 1)


def test_relaxation_that_does_not_converge():
    with pytest.raises(PropertyError, match="does not relax"):
        relaxed_crystal(bulk("Cu", a=3.9), EMT(), steps=1)


def test_a_crystal_that_collapses():
    def implode(atoms, results):
        results["stress"] = np.array([10.0, 10.0, 10.0, 0.0, 0.0, 0.0])

    with pytest.raises(PropertyError, match="collapses when it is relaxed"):
        relaxed_crystal(bulk("Cu"), Altered(EMT(), implode))
