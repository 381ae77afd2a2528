"""Silicon that active learning chose, in potentials/Si-active/data: complete, finite, no frame in two parts."""

import lzma
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms

from mlpot.active_learning.config import read_loop_config
from mlpot.active_learning.store.identity import canonical_atoms, structure_id

DATA = Path(__file__).parents[2] / "potentials" / "Si-active" / "data"
SIZES = {"train": 306, "held_out": 72, "test": 12}


@pytest.fixture(scope="module")
def parts() -> dict[str, list[Atoms]]:
    read = {}
    for name in SIZES:
        with lzma.open(DATA / f"{name}.extxyz.xz", "rt") as file:
            read[name] = ase.io.read(file, index=":", format="extxyz")
    return read


def test_sizes(parts):
    assert {name: len(frames) for name, frames in parts.items()} == SIZES
    assert {atoms.info["active_part"] for atoms in parts["train"]} == {"train"}
    assert {atoms.info["active_part"] for atoms in parts["held_out"]} == {"held_out"}


def test_labels_are_complete_and_plausible(parts):
    for atoms in (atoms for frames in parts.values() for atoms in frames):
        forces, stress = atoms.get_forces(), atoms.get_stress()
        assert set(atoms.symbols) == {"Si"}
        assert np.isfinite(forces).all()
        assert np.isfinite(stress).all()
        np.testing.assert_allclose(forces.mean(axis=0), 0.0, atol=1e-3)
        assert np.abs(forces).max() < 30.0  # eV/A
        assert -5.5 < atoms.get_potential_energy() / len(atoms) < -3.0


def test_no_frame_is_in_two_parts(parts):
    digests = [structure_id(canonical_atoms(atoms)) for frames in parts.values() for atoms in frames]
    assert len(set(digests)) == len(digests)


@pytest.mark.parametrize("name", ["loop", "crystal", "vacancy"])
def test_one_level_of_theory(name):
    labels = [read_loop_config(DATA / f"{one}.yaml").label.identity() for one in ("loop", name)]
    assert labels[0] == labels[1]
