"""Shards of labels of the universal set, and those that are in the repository."""

import itertools
import sys
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk, molecule

FOLDER = Path(__file__).parents[1] / "potentials" / "universal"
sys.path.insert(0, str(FOLDER))  # scripts with a package beside them, not a part of mlpot

from held_out import LIST, read_held_out  # noqa: E402
from universal_set import geometry, kinds, shards, structures  # noqa: E402
from universal_set.coverage import Coverage, histogram  # noqa: E402
from universal_set.elements import ELEMENTS  # noqa: E402
from universal_set.labelling import LARGEST_FORCE  # noqa: E402
from universal_set.recipes import Label  # noqa: E402
from universal_set.split import is_validation  # noqa: E402

LABELS = FOLDER / "labels"
MANIFEST = shards.read_manifest(LABELS)["shards"]


@pytest.fixture
def frames() -> list[shards.Labelled]:
    rng = np.random.default_rng(1)
    made = []
    for n in range(40):
        atoms = molecule("CH3OH") if n % 4 == 0 else geometry.strained(bulk("NaCl", "rocksalt", a=5.6), rng, 0.1)
        atoms = shards.rounded(geometry.rattled(atoms.repeat(2) if atoms.pbc.all() else atoms, rng, 0.1))
        stress = rng.normal(0, 0.1, (3, 3)) * atoms.pbc.all()
        label = Label(rng.normal(-100, 50), rng.normal(0, 3, (len(atoms), 3)), (stress + stress.T) / 2)
        made.append(shards.Labelled(atoms, label, f"kind{n % 3}", f"source:{n // 2}", n // 2, n % 2))
    return made


def test_shards_give_back_what_they_were_given(frames, tmp_path):
    shards.write_shard(tmp_path / "0.npz.xz", frames)
    again = shards.read_shard(tmp_path / "0.npz.xz")
    assert [f[2:] for f in again] == [f[2:] for f in frames]
    for before, after in zip(frames, again, strict=True):
        np.testing.assert_array_equal(after.atoms.numbers, before.atoms.numbers)
        np.testing.assert_array_equal(after.atoms.pbc, before.atoms.pbc)
        np.testing.assert_allclose(after.atoms.positions, before.atoms.positions, atol=1e-12)
        np.testing.assert_allclose(after.atoms.cell.array, before.atoms.cell.array, atol=1e-12)
        np.testing.assert_allclose(after.label.energy, before.label.energy, atol=0.51e-5)
        np.testing.assert_allclose(after.label.forces, before.label.forces, atol=0.51e-4)
        np.testing.assert_allclose(after.label.stress, before.label.stress, atol=0.51e-6)
    shards.write_shard(tmp_path / "1.npz.xz", again)
    assert (tmp_path / "1.npz.xz").read_bytes() == (tmp_path / "0.npz.xz").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.npz.xz", "1.npz.xz"]


def test_structures_become_those_of_ase(frames):
    methanol, salt = frames[0].to_ase(), frames[1].to_ase()
    assert salt.get_stress().shape == (6,)
    assert "stress" not in methanol.calc.results
    assert methanol.info == {"kind": "kind0", "source": "source:0", "job": 0, "frame": 0}


def test_values_that_do_not_fit_are_refused(frames, tmp_path):
    far = frames[0]._replace(label=frames[0].label._replace(energy=1e6))
    with pytest.raises(ValueError, match="expected values that fit into 31 bits"):
        shards.write_shard(tmp_path / "0.npz.xz", [far])


def test_a_changed_shard_is_told_apart(frames, tmp_path):
    for n in range(2):
        path = tmp_path / f"{n}.npz.xz"
        shards.write_shard(path, frames[n:])
        shards.enter(tmp_path, path, frames[n:], {"shard": n})
    assert [len(part) for part in shards.read_labels(tmp_path)] == [40, 39]
    shards.write_shard(tmp_path / "1.npz.xz", frames)
    with pytest.raises(ValueError, match=r"1.npz.xz to have the SHA-256"):
        list(shards.read_labels(tmp_path))


def test_validation_shares_no_formula_with_training(frames):
    salts = []
    for first, second in itertools.product(ELEMENTS[::3], ELEMENTS[1::3]):
        atoms = geometry.repeated(bulk("NaCl", "rocksalt", a=5.6), 4)
        atoms.numbers = np.resize([first, second], len(atoms))
        salts.append(frames[1]._replace(atoms=atoms))
    chosen = [is_validation(salt, 0.1) for salt in salts]
    assert 0.07 < np.mean(chosen) < 0.13
    assert chosen == [is_validation(salt._replace(atoms=salt.atoms.repeat(2), job=7), 0.1) for salt in salts]
    assert not is_validation(frames[1]._replace(kind="element"), 1.0)


def test_counts_of_what_labels_cover(frames):
    coverage = Coverage()
    coverage.add(frames)
    assert coverage.elements["condensed"] == {11: 30, 17: 30}
    assert coverage.pairs["isolated"] == {(1, 6): 10, (1, 8): 10, (6, 8): 10}
    assert coverage.atoms[1] == 40
    assert len(coverage.pressures) == 30
    assert sum(coverage.pairs_seen("condensed")) == 30
    assert len(coverage.pairs_seen("condensed")) == 89 * 88 // 2
    assert histogram([0, 1, 1.5, 2, 9], (1.0, 2.0)) == [("below 1", 1), ("1 to 2", 2), ("2 and more", 2)]


# -- the committed labels


def test_committed_shards_are_those_of_the_manifest():
    assert sorted(path.name for path in LABELS.glob("*.npz.xz")) == sorted(MANIFEST)
    held_out = shards.sha256(LIST)
    for name, entry in MANIFEST.items():
        assert shards.sha256(LABELS / name) == entry["sha256"]
        assert entry["bytes"] == (LABELS / name).stat().st_size < 5e6
        assert entry["held_out_sha256"] == held_out
        assert entry["version"] == (structures.version_of(entry["shard"]) if entry["shard"] > 1 else 1)
    assert sum(entry["bytes"] for entry in MANIFEST.values()) < 40e6


@pytest.mark.parametrize("name", sorted({min(MANIFEST), max(MANIFEST)}))
def test_committed_labels_are_sane(name):
    held_out = read_held_out()
    frames = shards.read_shard(LABELS / name)
    assert len(frames) == MANIFEST[name]["structures"]
    assert sum(len(frame.atoms) for frame in frames) == MANIFEST[name]["atoms"]
    assert {frame.kind for frame in frames} <= set(kinds.MAKERS)
    for frame in frames:
        assert geometry.reduced_formula(frame.atoms) not in held_out
        assert np.linalg.norm(frame.label.forces, axis=1).max() < 1.001 * LARGEST_FORCE
        np.testing.assert_allclose(frame.label.forces.sum(axis=0), 0, atol=0.02)
        assert (not frame.atoms.pbc.all()) <= (not frame.label.stress.any())
