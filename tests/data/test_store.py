"""Sets on disk: the same structures as in memory, one at a time, in any process."""

import pickle
import sqlite3
from contextlib import closing

import ase.io
import numpy as np
import pytest
from ase.db import connect

from mlpot.cli.data import convert
from mlpot.data import StructureStore, dataset_hash, read_structures, split, write_store
from mlpot.errors import DataError, OutputError


@pytest.fixture(scope="module")
def store(good_set, tmp_path_factory):
    return write_store(good_set, tmp_path_factory.mktemp("store") / "set.db", good_set.report)


def test_store_holds_the_same_structures(store, good_set):
    assert isinstance(store, StructureStore)
    assert dataset_hash(store) == dataset_hash(good_set)
    assert store.report.as_dict() == good_set.report.as_dict()
    assert split(store, {"train": 0.8, "valid": 0.2}, 3) == split(good_set, {"train": 0.8, "valid": 0.2}, 3)


def test_random_access_and_slices(store, good_set):
    assert store[-1].energy == good_set[-1].energy
    np.testing.assert_array_equal(store[5].stress, good_set[5].stress)
    assert [s.energy for s in store[3:9:2]] == [s.energy for s in good_set[3:9:2]]
    with pytest.raises(IndexError):
        store[len(store)]


def test_opening_reads_no_structure(good_set, tmp_path):
    """A damaged row raises when it is read, not before."""
    path = write_store(good_set[:5], tmp_path / "set.db", read_structures([s.atoms for s in good_set[:5]]).report).path
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE systems SET positions = x'00' WHERE id = 3")
        connection.commit()
    damaged = read_structures(path)
    assert damaged[3].energy == good_set[3].energy
    with pytest.raises(ValueError, match="buffer size"):
        damaged[2]


def test_a_store_can_be_pickled(store, good_set):
    assert dataset_hash(pickle.loads(pickle.dumps(store))) == dataset_hash(good_set)


def test_index_and_named_keys_scan_the_rows(store):
    assert len(read_structures(store.path, index="::10")) == 5
    assert read_structures(store.path, energy_key="energy", required=["forces"])[3].energy == store[3].energy
    with pytest.raises(DataError, match="`other`"):
        read_structures(store.path, energy_key="other")


def test_rows_of_other_programs(frames, tmp_path):
    """Gaps between the ids, labels in key-value pairs and in data."""
    with connect(tmp_path / "foreign.db") as database:
        for k, atoms in enumerate(frames[2:8]):
            bare = atoms.copy()
            bare.info = {}
            results = atoms.calc.results
            database.write(
                bare, dft_energy=results["energy"], config_type=f"c{k}", data={"dft_forces": results["forces"]}
            )
        del database[2]
    foreign = read_structures(tmp_path / "foreign.db", required=["energy", "forces"])
    kept = [frames[2], *frames[4:8]]
    assert [s.energy for s in foreign] == [atoms.calc.results["energy"] for atoms in kept]
    np.testing.assert_array_equal(foreign[1].forces, kept[1].calc.results["forces"])
    assert foreign[4].config_type == "c5"


def test_convert(frames, tmp_path):
    ase.io.write(tmp_path / "set.extxyz", frames)
    converted = convert(tmp_path / "set.extxyz", tmp_path / "set.db", {})
    assert dataset_hash(converted) == dataset_hash(read_structures(tmp_path / "set.extxyz"))
    again = convert(tmp_path / "set.db", tmp_path / "again.db", {"energy_key": "energy"})
    assert dataset_hash(again) == dataset_hash(converted)


def test_a_store_is_complete_or_not_there(frames, tmp_path):
    ase.io.write(tmp_path / "set.extxyz", frames[:5])
    with pytest.raises(DataError, match="`absent`"):
        convert(tmp_path / "set.extxyz", tmp_path / "set.db", {"energy_key": "absent"})
    assert [path.name for path in tmp_path.iterdir()] == ["set.extxyz"]


def test_refusals(store, good_set, tmp_path):
    with pytest.raises(OutputError, match="exists already"):
        write_store(good_set, store.path, good_set.report)
    with pytest.raises(OutputError, match="must end in"):
        write_store(good_set, tmp_path / "set.xyz", good_set.report)
    with pytest.raises(DataError, match="got none"):
        read_structures(store.path, index="1000:")
    newer = write_store(good_set[:2], tmp_path / "newer.db", good_set.report).path
    connect(newer).metadata = {"mlpot_store": {"version": 99}}
    with pytest.raises(DataError, match="newer mlpot"):
        read_structures(newer)
