"""The SQLite file: other files, newer and damaged stores, copies and backups."""

import shutil
import sqlite3

import numpy as np
import pytest
from labelling import rattled_copper

from mlpot.active_learning.store.records import Label
from mlpot.active_learning.store.store import Store
from mlpot.errors import OutputError, StoreError

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


def test_a_copy_of_the_file_alone_is_a_store_with_all_labels(tmp_path, store):
    settings = store.add_settings(EMT)
    atoms = rattled_copper(1)[0]
    store.add_jobs([store.add_structure(atoms)], settings)
    (job,) = store.jobs.claim(store.jobs.begin_session(), settings, 1)
    store.add_label(job.id, Label(1.0, np.zeros((len(atoms), 3)), None, "energy"))
    shutil.copyfile(store.path, tmp_path / "copy.db")
    with Store(tmp_path / "copy.db") as copy:
        assert [one.job.id for one in copy.labelled()] == [job.id]


def test_a_new_store_is_in_its_file_at_once(tmp_path, store):
    shutil.copyfile(store.path, tmp_path / "copy.db")
    with Store(tmp_path / "copy.db") as copy:
        assert copy.jobs.counts()["done"] == 0


def test_an_empty_copy_is_refused_with_the_command_that_copies(tmp_path):
    path = tmp_path / "copy.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    with pytest.raises(StoreError, match="mlpot active backup"):
        Store(path)
    (tmp_path / "empty.db").touch()
    with pytest.raises(StoreError, match="mlpot active backup"):
        Store(tmp_path / "empty.db")


def test_a_backup_is_made_while_another_process_writes(tmp_path, store):
    settings = store.add_settings(EMT)
    store.add_jobs([store.add_structure(atoms) for atoms in rattled_copper(20)], settings)
    with Store(store.path) as other, other.database.transaction():
        other.database.write("DELETE FROM jobs")
        store.back_up(tmp_path / "backup.db")
    with Store(tmp_path / "backup.db") as backup, Store(store.path) as original:
        assert backup.jobs.counts()["waiting"] == 20
        assert original.jobs.counts()["waiting"] == 0
        assert backup.database.rows("PRAGMA journal_mode")[0][0] == "wal"


@pytest.mark.parametrize(
    ("name", "reason"), [("run.db", "exists already"), ("x.txt", "must end in"), ("none/x.db", "no folder")]
)
def test_a_backup_that_cannot_be_written_is_refused(store, name, reason):
    with pytest.raises(OutputError, match=reason):
        store.back_up(store.path.parent / name)
