"""The silicon data set in potentials/Si-dft/data: complete, finite, free of leaks, one energy surface."""

import lzma
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms

DATA = Path(__file__).parents[2] / "potentials" / "Si-dft" / "data"
SPLITS = ("train", "validation", "test")


def read(split: str) -> list[Atoms]:
    with lzma.open(DATA / f"{split}.extxyz.xz", "rt") as file:
        return ase.io.read(file, index=":", format="extxyz")


@pytest.fixture(scope="module")
def frames() -> dict[str, list[Atoms]]:
    return {split: read(split) for split in SPLITS}


@pytest.fixture(scope="module")
def everything(frames) -> list[Atoms]:
    return [atoms for split in SPLITS for atoms in frames[split]]


def test_sizes_and_shares(frames, everything):
    assert {split: len(frames[split]) for split in SPLITS} == {"train": 115, "validation": 22, "test": 26}
    assert min(map(len, everything)) == 2
    assert max(map(len, everything)) == 63
    assert sum((DATA / f"{split}.extxyz.xz").stat().st_size for split in SPLITS) < 500_000


def test_labels_are_complete_and_plausible(everything):
    for atoms in everything:
        assert set(atoms.symbols) == {"Si"}
        assert atoms.pbc.all()
        assert atoms.get_forces().shape == (len(atoms), 3)
        assert atoms.get_stress().shape == (6,)
        numbers = np.concatenate([[atoms.get_potential_energy()], atoms.get_forces().ravel(), atoms.get_stress()])
        assert np.isfinite(numbers).all()
        assert -5.5 < atoms.get_potential_energy() / len(atoms) < 0
        assert np.abs(atoms.get_forces()).max() < 25  # eV/A
        assert np.abs(atoms.get_stress()).max() < 1  # eV/A^3


def test_forces_add_up_to_zero(everything):
    for atoms in everything:
        np.testing.assert_allclose(atoms.get_forces().mean(axis=0), 0, atol=0.005, err_msg=atoms.info["group"])


def test_energy_is_the_free_energy(everything):
    for atoms in everything:
        assert atoms.get_potential_energy(force_consistent=True) == atoms.get_potential_energy()


def test_groups_and_types_are_split_as_described(frames):
    groups = {split: {atoms.info["group"] for atoms in frames[split]} for split in SPLITS}
    types = {split: {atoms.info["config_type"] for atoms in frames[split]} for split in SPLITS}
    for first, second in (("train", "validation"), ("train", "test"), ("validation", "test")):
        assert not groups[first] & groups[second]
    assert types["validation"] == types["train"]
    assert types["train"] - types["test"] == {"amorphous"}


def fingerprint(atoms: Atoms) -> tuple[float, ...]:
    """Numbers that two copies of a structure share whatever the order and the origin of its atoms."""
    distances = np.sort(atoms.get_all_distances(mic=True), axis=None)
    return (len(atoms), round(atoms.get_volume() / len(atoms), 3), *np.round(distances[-20:], 3))


def test_no_structure_appears_twice(everything):
    fingerprints = [fingerprint(atoms) for atoms in everything]
    assert len(set(fingerprints)) == len(fingerprints)


def test_stress_is_the_slope_of_the_equation_of_state(everything):
    curve = [atoms for atoms in everything if atoms.info["group"].startswith("diamond_eos-cubic")]
    curve.sort(key=lambda atoms: atoms.get_volume())
    volumes = np.array([atoms.get_volume() for atoms in curve])
    energies = np.array([atoms.get_potential_energy() for atoms in curve])
    pressures = np.array([-atoms.get_stress()[:3].mean() for atoms in curve])
    assert pressures[0] > 0 > pressures[-1]
    work = -np.diff(volumes) * (pressures[1:] + pressures[:-1]) / 2
    np.testing.assert_allclose(np.diff(energies), work, atol=0.03 * np.abs(np.diff(energies)).max())


def test_diamond_is_the_ground_state_of_the_crystals(everything):
    lowest = min(everything, key=lambda atoms: atoms.get_potential_energy() / len(atoms))
    assert lowest.info["config_type"] == "diamond_eos"
    assert (lowest.get_volume() / len(lowest) * 8) ** (1 / 3) == pytest.approx(5.47, abs=0.06)


def test_isolated_atom_gives_the_cohesive_energy(everything):
    atom = ase.io.read(DATA / "isolated_atom.extxyz")
    assert len(atom) == 1
    lowest = min(atoms.get_potential_energy() / len(atoms) for atoms in everything)
    cohesive = atom.get_potential_energy() - lowest
    assert cohesive == pytest.approx(4.6, abs=0.3)  # PBE: 4.55 eV
