"""The SQLite file: other files, newer and damaged stores."""

import sqlite3

import pytest
from labelling import rattled_copper

from mlpot.active_learning.store.store import Store
from mlpot.errors import StoreError

EMT = {"code": "emt", "parameters": {}}


def test_no_store(tmp_path):
    with pytest.raises(StoreError, match="no store of active learning"):
        Store(tmp_path / "none.db")
    assert not (tmp_path / "none.db").exists()


def test_a_new_store_whose_folders_could_be_those_of_another_is_refused(tmp_path):
    with pytest.raises(StoreError, match=r"write v\.1\.db"):
        Store(tmp_path / "v.1", create=True)
    with Store(tmp_path / "v.1.db", create=True) as first, Store(tmp_path / "v.2.db", create=True) as second:
        assert first.work_folder != second.work_folder


@pytest.mark.parametrize("create", [True, False])
def test_files_that_are_not_ours_are_refused_and_left_alone(tmp_path, create):
    text, other = tmp_path / "text.db", tmp_path / "other.db"
    text.write_text("structures of last year" * 100)
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE systems (id)")
    connection.close()
    for path in (text, other):
        before = path.read_bytes()
        with pytest.raises(StoreError, match="not a store of active learning"):
            Store(path, create=create)
        assert path.read_bytes() == before


def test_a_newer_store_is_refused(store):
    store.database.write("PRAGMA user_version = 99")
    store.close()
    with pytest.raises(StoreError, match="version 99"):
        Store(store.path)


def test_a_damaged_store_is_refused(store):
    settings = store.add_settings(EMT)
    store.add_jobs([store.add_structure(atoms) for atoms in rattled_copper(50)], settings)
    store.close()
    data = bytearray(store.path.read_bytes())
    page = 4096
    for start in range(2 * page, len(data), 3 * page):
        data[start : start + 200] = bytes(200)
    store.path.write_bytes(data)
    with pytest.raises(StoreError, match="damaged"):
        Store(store.path)


def test_a_truncated_store_is_refused(store):
    store.add_jobs([store.add_structure(atoms) for atoms in rattled_copper(50)], store.add_settings(EMT))
    store.close()
    store.path.write_bytes(store.path.read_bytes()[:-8192])
    with pytest.raises(StoreError, match="damaged"):
        Store(store.path)
