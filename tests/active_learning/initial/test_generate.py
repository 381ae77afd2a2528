"""Initial structures: physical, as requested, and the same for the same seed."""

import ase.io
import numpy as np
import pytest
from ase.build import bulk, molecule

from mlpot.active_learning.initial import generate
from mlpot.active_learning.selection.sanity import unphysical
from mlpot.errors import DataError

SI = bulk("Si", cubic=True)
KINDS = {"rattle", "strain", "vacancy", "interstitial", "substitution", "random_packing", "slab"}


@pytest.mark.parametrize(
    "make",
    [
        lambda: generate.rattled(SI, [0.05, 0.2], 3, seed=1),
        lambda: generate.strained(SI, 0.05, 4, seed=1),
        lambda: generate.with_vacancies(SI * (2, 2, 2)),
        lambda: generate.with_interstitials(SI * (2, 2, 2), ["Si", "O"]),
        lambda: generate.substituted(SI, "Si", "Ge", [0.1, 0.5], seed=1),
        lambda: generate.random_packings(SI * (2, 2, 2), 2, seed=1),
        lambda: generate.random_packings(bulk("Cu", cubic=True) * (2, 2, 2), 2, seed=1),
        lambda: generate.slabs(SI),
    ],
    ids=["rattled", "strained", "vacancies", "interstitials", "substituted", "packings", "dense packings", "slabs"],
)
def test_structures_are_physical_and_reproducible(make):
    first, second = list(make()), list(make())
    assert len(first) >= 1
    for (atoms, origin), (again, same) in zip(first, second, strict=True):
        assert unphysical(atoms) is None
        assert atoms == again
        assert origin == same
        assert origin["kind"] in {
            "rattle",
            "strain",
            "vacancy",
            "interstitial",
            "substitution",
            "random_packing",
            "slab",
        }


def test_rattles_have_their_amplitude():
    moved = [atoms for atoms, _ in generate.rattled(SI, [0.1], 50, seed=0)]
    displacements = np.array([atoms.positions - SI.positions for atoms in moved])
    assert displacements.std() == pytest.approx(0.1, rel=0.05)


def test_the_interstitials_of_diamond_are_the_known_ones():
    cell = SI * (2, 2, 2)
    bond = np.sqrt(3) / 4 * SI.cell[0, 0]
    distances = [origin["nearest"] for _, origin in generate.with_interstitials(cell, ["Si"])]
    # Tetrahedral: as far as a bond; hexagonal: sqrt(11)/8 of the lattice constant.
    assert distances[0] == pytest.approx(bond, abs=2e-3)
    assert any(abs(one - np.sqrt(11) / 8 * SI.cell[0, 0]) < 2e-3 for one in distances)


def test_each_kind_of_site_gives_one_vacancy():
    salt = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    assert sorted(origin["element"] for _, origin in generate.with_vacancies(salt)) == ["Cl", "Na"]


def test_random_packings_have_the_same_density():
    crystal = bulk("NaCl", "rocksalt", a=5.64, cubic=True) * (2, 2, 2)
    first, second = (atoms for atoms, _ in generate.random_packings(crystal, 2, seed=0))
    for packed in (first, second):
        assert (packed.numbers == crystal.numbers).all()
        assert (packed.cell.array == crystal.cell.array).all()
        # Where the atoms of a crystal are, waves of its lattice are all in phase; in a packing they are not.
        wave = 2 * np.pi / 5.64 * 2
        assert abs(np.exp(1j * wave * crystal.positions).mean()) > 0.99
        assert (abs(np.exp(1j * wave * packed.positions).mean(axis=0)) < 0.4).all()
    assert abs(first.positions - second.positions).max() > 1.0


def test_nothing_to_substitute():
    with pytest.raises(DataError, match="no Ge"):
        list(generate.substituted(SI, "Ge", "Si", [0.5], seed=0))


def test_a_molecule_has_no_interstitials():
    with pytest.raises(DataError, match="leave `interstitials` out"):
        list(generate.with_interstitials(molecule("H2O"), ["O"]))


def test_files_of_the_user(tmp_path):
    ase.io.write(tmp_path / "mine.extxyz", [SI, SI * (2, 1, 1)])
    given = list(generate.from_file(tmp_path / "mine.extxyz"))
    assert [len(atoms) for atoms, _ in given] == [8, 16]
    assert given[1][1] == {"kind": "given", "file": "mine.extxyz", "frame": 1}
