"""The store: identities, transactions, several writers, files that are not ours."""

import sqlite3
import subprocess
import sys

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from hypothesis import given
from hypothesis import strategies as st
from labelling import shaken_copper
from structures import structures

from mlpot.active_learning.store.identity import canonical_atoms, structure_id
from mlpot.active_learning.store.process_identity import ProcessIdentity
from mlpot.active_learning.store.records import Label
from mlpot.active_learning.store.store import Store
from mlpot.errors import DataError, StoreError

EMT = {"code": "emt", "parameters": {}}


def label(atoms, energy=1.0):
    return Label(energy, np.full((len(atoms), 3), energy), np.eye(3), "free_energy")


@given(structures())
def test_a_structure_keeps_its_identity_through_the_store_and_a_file(tmp_path_factory, atoms):
    folder = tmp_path_factory.mktemp("identity")
    with Store(folder / "run.db", create=True) as store:
        identity = store.add_structure(atoms)
        back = store.structure(identity)
        ase.io.write(folder / "one.extxyz", back)
        assert store.add_structure(back) == identity
        assert store.add_structure(ase.io.read(folder / "one.extxyz")) == identity
    assert (back.pbc == atoms.pbc).all()
    np.testing.assert_allclose(back.positions, atoms.positions, rtol=0, atol=1e-8)


@given(st.integers(0, 3), st.sampled_from([1e-6, -1e-6]))
def test_what_differs_has_another_identity(axis, shift):
    atoms = bulk("Cu", cubic=True)
    identity = structure_id(canonical_atoms(atoms))
    moved = atoms.copy()
    if axis < 3:
        moved.positions[1, axis] += shift
    else:
        moved.set_initial_magnetic_moments([1.0, 0, 0, 0])
    assert structure_id(canonical_atoms(moved)) != identity


def test_magnetic_moments_come_back(store):
    atoms = Atoms("O2", positions=[[0, 0, 0], [0, 0, 1.2]], magmoms=[1.0, 1.0])
    np.testing.assert_array_equal(store.structure(store.add_structure(atoms)).get_initial_magnetic_moments(), [1, 1])


def test_structures_that_are_none_are_refused(store):
    with pytest.raises(DataError, match="finite"):
        store.add_structure(Atoms("H", positions=[[np.nan, 0, 0]]))
    with pytest.raises(DataError, match="at least one atom"):
        store.add_structure(Atoms())


def test_a_label_comes_once_and_comes_back_to_the_bit(store):
    atoms = shaken_copper(1)[0]
    structure, settings = store.add_structure(atoms), store.add_settings(EMT)
    assert store.add_jobs([structure], settings) == 1
    assert store.add_jobs([structure], settings) == 0
    session = store.jobs.begin_session()
    (job,) = store.jobs.claim(session, settings, 5)
    assert store.jobs.claim(session, settings, 5) == []
    first = label(atoms, energy=np.pi)
    assert store.add_label(job.id, first)
    assert not store.add_label(job.id, label(atoms, energy=2.0))
    (back,) = store.labelled(settings)
    assert back.label.energy == np.pi
    assert back.label.forces.tobytes() == first.forces.tobytes()
    assert back.job.state == "done"
    store.jobs.lose(job.id, "late news of a worker", 1)
    assert store.jobs.job(job.id).state == "done"


def test_a_wrong_label_leaves_the_job_as_it_was(store):
    structure, settings = store.add_structure(shaken_copper(1)[0]), store.add_settings(EMT)
    store.add_jobs([structure], settings)
    (job,) = store.jobs.claim(store.jobs.begin_session(), settings, 1)
    with pytest.raises(DataError, match="shape"):
        store.add_label(job.id, Label(1.0, np.zeros((3, 3)), None, "energy"))
    assert store.jobs.job(job.id).state == "running"
    assert store.label(job.id) is None


def test_a_label_that_the_table_refuses_is_an_error_and_leaves_the_job_as_it_was(store):
    atoms = shaken_copper(1)[0]
    structure, settings = store.add_structure(atoms), store.add_settings(EMT)
    store.add_jobs([structure], settings)
    (job,) = store.jobs.claim(store.jobs.begin_session(), settings, 1)
    with pytest.raises(sqlite3.IntegrityError, match="energy_kind"):
        store.add_label(job.id, Label(1.0, np.zeros((len(atoms), 3)), None, "total_energy"))
    assert store.jobs.job(job.id).state == "running"


def test_a_job_that_is_lost_too_often_is_set_aside_and_may_be_tried_again(store):
    settings = store.add_settings(EMT)
    store.add_jobs([store.add_structure(shaken_copper(1)[0])], settings)
    session = store.jobs.begin_session()
    for expected in ("waiting", "waiting", "set_aside"):
        (job,) = store.jobs.claim(session, settings, 1)
        assert store.jobs.lose(job.id, "killed", 3, 5.0) == (expected == "set_aside")
        assert store.jobs.job(job.id).state == expected
    assert "vanished 3 times" in store.jobs.job(job.id).reason
    assert store.database.number("SELECT sum(seconds) FROM attempts") == 15.0
    assert store.jobs.retry_set_aside(settings) == 1
    assert store.jobs.claim(session, settings, 1)[0].attempt == 4


WRITER = """
import sys
from labelling import shaken_copper
from mlpot.active_learning.store.records import Label
from mlpot.active_learning.store.store import Store
import numpy as np
with Store(sys.argv[1], create=True) as store:
    settings = store.add_settings({"code": "emt", "parameters": {}})
    store.add_jobs([store.add_structure(atoms) for atoms in shaken_copper(30)], settings)
    session = store.jobs.begin_session()
    while jobs := store.jobs.claim(session, settings, 2):
        for job in jobs:
            n_atoms = len(store.structure(job.structure_id))
            assert store.add_label(job.id, Label(1.0, np.zeros((n_atoms, 3)), None, "energy"))
            print(job.id)
"""


@pytest.mark.faults
def test_several_processes_share_the_work_and_do_nothing_twice(tmp_path):
    path = tmp_path / "shared.db"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    done = [job for writer in writers for job in writer.communicate()[0].split()]
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    assert len(done) == len(set(done)) == 30
    with Store(path) as store:
        assert store.jobs.counts() == {"waiting": 0, "running": 0, "done": 30, "set_aside": 0}


CLAIMER = """
import sys
from mlpot.active_learning.store.store import Store
store = Store(sys.argv[1])
print(len(store.jobs.claim(store.jobs.begin_session(), sys.argv[2], 2)), flush=True)
sys.stdin.read()
"""


def test_claims_hold_while_their_process_lives_and_not_longer(store):
    settings = store.add_settings(EMT)
    store.add_jobs([store.add_structure(atoms) for atoms in shaken_copper(3)], settings)
    command = [sys.executable, "-c", CLAIMER, str(store.path), settings]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "2\n"
        session = store.jobs.begin_session()
        assert store.jobs.take_over(session, settings) == []
        assert len(store.jobs.claim(session, settings, 5)) == 1
        other.kill()
        # Dead but not yet waited for: a corpse holds nothing.
        while not (taken := store.jobs.take_over(session, settings)):
            pass
    assert len(taken) == 2
    assert len(store.jobs.held(session)) == 3


def test_a_process_of_another_boot_is_unknown():
    me = ProcessIdentity.current()
    assert me.liveness() == "alive"
    assert ProcessIdentity(me.host, me.boot, me.pid, me.started + 1).liveness() == "dead"
    assert ProcessIdentity(me.host, "another", me.pid, me.started).liveness() == "unknown"


# --- files


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
    store.add_jobs([store.add_structure(atoms) for atoms in shaken_copper(50)], settings)
    store.close()
    data = bytearray(store.path.read_bytes())
    page = 4096
    for start in range(2 * page, len(data), 3 * page):
        data[start : start + 200] = bytes(200)
    store.path.write_bytes(data)
    with pytest.raises(StoreError, match="damaged"):
        Store(store.path)


def test_a_truncated_store_is_refused(store):
    store.add_jobs([store.add_structure(atoms) for atoms in shaken_copper(50)], store.add_settings(EMT))
    store.close()
    store.path.write_bytes(store.path.read_bytes()[:-8192])
    with pytest.raises(StoreError, match="damaged"):
        Store(store.path)
