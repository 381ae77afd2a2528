"""Files and objects in, labelled structures out."""

import bz2
import gzip
import lzma
import re
from pathlib import Path

import ase.io
import ase.test
import numpy as np
import pytest
from ase.db import connect
from ase.io.formats import string2index
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Molecule, Structure
from structures import structures as any_structure

from mlpot.data import dataset_hash, read_structures
from mlpot.errors import DataError


def assert_same(read, frames, atol=1e-8):
    assert len(read) == len(frames)
    for structure, atoms in zip(read, frames, strict=True):
        np.testing.assert_array_equal(structure.atoms.numbers, atoms.numbers)
        np.testing.assert_allclose(structure.atoms.positions, atoms.positions, rtol=0, atol=atol)
        np.testing.assert_array_equal(structure.atoms.pbc, atoms.pbc)
        np.testing.assert_allclose(structure.atoms.cell.array, atoms.cell.array, rtol=0, atol=1e-12)
        np.testing.assert_allclose(structure.energy, atoms.calc.results["energy"], rtol=1e-14)
        np.testing.assert_allclose(structure.forces, atoms.calc.results["forces"], rtol=0, atol=atol)


def test_objects(frames):
    assert_same(read_structures(frames), frames, atol=0)
    assert_same(read_structures(frames[3]), [frames[3]], atol=0)


@pytest.mark.parametrize(("suffix", "opener"), [("", open), (".xz", lzma.open), (".gz", gzip.open), (".bz2", bz2.open)])
def test_extended_xyz_plain_and_compressed(frames, tmp_path, suffix, opener):
    path = tmp_path / f"set.extxyz{suffix}"
    with opener(path, "wt") as handle:
        ase.io.write(handle, frames[:6], format="extxyz")
    read = read_structures(path, required=("energy", "forces", "stress"))
    assert_same(read, frames[:6])
    assert [structure.config_type for structure in read] == ["isolated_atom"] * 2 + ["rattled"] * 4


@pytest.mark.parametrize("name", ["set.traj", "set.json"])
def test_other_formats_of_ase(frames, tmp_path, name):
    ase.io.write(tmp_path / name, frames[:5])
    assert_same(read_structures(tmp_path / name), frames[:5], atol=1e-14)


def test_database(frames, tmp_path):
    with connect(tmp_path / "set.db") as database:
        for atoms in frames[:5]:
            database.write(atoms)
    assert_same(read_structures(tmp_path / "set.db"), frames[:5], atol=0)


@pytest.mark.parametrize("index", [":", "2", 2, "-1", "1:9:3", "::-2", "-4:", slice(3, 5)])
def test_index(frames, tmp_path, index):
    ase.io.write(tmp_path / "set.extxyz", frames)
    parsed = string2index(index) if isinstance(index, str) else index
    expected = frames[parsed] if isinstance(parsed, slice) else [frames[parsed]]
    assert_same(read_structures(tmp_path / "set.extxyz", index=index), expected)
    assert_same(read_structures(frames, index=index), expected)


def test_several_files_are_one_set(frames, tmp_path):
    ase.io.write(tmp_path / "a.extxyz", frames[:3])
    ase.io.write(tmp_path / "b.extxyz", frames[3:5])
    assert_same(read_structures([tmp_path / "a.extxyz", str(tmp_path / "b.extxyz")]), frames[:5])


def test_pymatgen():
    forces = [[1.0, 2.0, 3.0], [-1.0, -2.0, -3.0]]
    crystal = Structure(
        Lattice([[4, 0.1, 0], [0, 5, 0.2], [0.3, 0, 6]]),
        ["Si", "O"],
        [[0, 0, 0], [0.5, 0.5, 0.5]],
        site_properties={"forces": forces},
        properties={"energy": -7.5},
    )
    molecule = Molecule(["H", "H"], [[0, 0, 0], [0, 0, 0.74]], site_properties={"forces": forces})
    read = read_structures([crystal, molecule])
    assert read[0].energy == -7.5
    np.testing.assert_array_equal(read[0].forces, forces)
    np.testing.assert_allclose(read[0].atoms.cell.array, crystal.lattice.matrix)
    assert read[0].atoms.pbc.all()
    assert not read[1].atoms.pbc.any()
    np.testing.assert_array_equal(read[1].forces, forces)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("2\nenergy=1.0\nH 0 0 0\n", "line 1 of .*ends inside"),
        ("1\n\nH 0 0 0\nx\n\n", "line 4 of .*expected the number of atoms, got 'x'"),
        ("1\nProperties=species:S:1:pos:R:3\nH 0 zero 0\n", "cannot read"),
        ('1\nstress="1 2 3"\nH 0 0 0\n', "stress"),
        ("", "expected at least one structure"),
    ],
)
def test_broken_files(tmp_path, content, message):
    path = tmp_path / "set.extxyz"
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        read_structures(path)


def test_what_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_structures(tmp_path / "absent.extxyz")
    with pytest.raises(DataError, match="got int"):
        read_structures(3)
    (tmp_path / "set.extxyz.xz").write_bytes(b"not compressed")
    with pytest.raises(DataError, match="cannot read"):
        read_structures(tmp_path / "set.extxyz.xz")
    (tmp_path / "set.db").write_bytes(b"not a database, but long enough to be looked at" * 20)
    with pytest.raises(DataError, match="cannot read"):
        read_structures(tmp_path / "set.db")


@settings(max_examples=30)
@given(atoms=any_structure(), energy=st.floats(-1e5, 1e5), seed=st.integers(0, 99))
def test_any_structure_survives_extended_xyz(atoms, energy, seed, tmp_path_factory):
    path = tmp_path_factory.mktemp("xyz") / "set.extxyz"
    forces = np.random.default_rng(seed).normal(size=(len(atoms), 3)).round(8)
    atoms.positions = atoms.positions.round(8)
    atoms.info["REF_energy"] = energy
    atoms.set_array("REF_forces", forces)
    ase.io.write(path, atoms)
    assert dataset_hash(read_structures(path)) == dataset_hash(read_structures(atoms))


def test_a_folder_is_named_as_such(tmp_path):
    with pytest.raises(DataError, match="is a folder: expected a file"):
        read_structures(tmp_path)


@pytest.fixture
def outcar(tmp_path):
    """OUTCAR of three ionic steps, made from the one of ASE's tests: its text, and where each step ends."""
    lines = (Path(ase.test.__file__).parent / "testdata/vasp/OUTCAR_example_1").read_text().splitlines(keepends=True)
    begin = next(k for k, line in enumerate(lines) if "Iteration" in line)
    end = next(k for k, line in enumerate(lines) if "FREE ENERGIE OF" in line) + 5
    steps = ["".join(lines[begin:end]).replace("Iteration    1(", f"Iteration {number:4d}(") for number in (1, 2, 3)]
    assert "Iteration    3(" in steps[2]
    return "".join(lines[:begin]), steps


def test_complete_steps_of_an_unfinished_outcar_are_kept(outcar, tmp_path):
    head, steps = outcar
    path = tmp_path / "OUTCAR"
    path.write_text(head + "".join(steps))
    assert len(read_structures(path)) == 3
    assert "incomplete-file" not in {finding.kind for finding in read_structures(path).report.findings}
    path.write_text(head + steps[0] + steps[1] + steps[2][: len(steps[2]) // 2])
    read = read_structures(path)
    assert len(read) == 2
    assert "2 of 3 ionic steps" in read.report.findings[0].message


def test_a_step_that_cannot_be_read_does_not_lose_the_others(outcar, tmp_path):
    head, steps = outcar
    broken = re.sub(r"(TOTAL-FORCE \(eV/Angst\)\n -+\n +\S+)", r"\1*********", steps[2])
    assert broken != steps[2]
    path = tmp_path / "OUTCAR"
    path.write_text(head + steps[0] + steps[1] + broken)
    read = read_structures(path)
    assert len(read) == 2
    assert "2 of 3 ionic steps" in read.report.findings[0].message
