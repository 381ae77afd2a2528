"""Structures and labels in the store."""

import sqlite3

import numpy as np
import pytest
from ase import Atoms
from labelling import rattled_copper

from mlpot.active_learning.store.records import Label
from mlpot.errors import DataError, StoreError

EMT = {"code": "emt", "parameters": {}}


def label(atoms, energy=1.0):
    return Label(energy, np.full((len(atoms), 3), energy), np.eye(3), "free_energy")


def test_magnetic_moments_are_read_back(store):
    atoms = Atoms("O2", positions=[[0, 0, 0], [0, 0, 1.2]], magmoms=[1.0, 1.0])
    np.testing.assert_array_equal(store.structure(store.add_structure(atoms)).get_initial_magnetic_moments(), [1, 1])


def test_a_label_is_stored_once_and_read_back_exactly(store):
    atoms = rattled_copper(1)[0]
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
    store.jobs.requeue(job.id, "late message", 1)
    assert store.jobs.job(job.id).state == "done"


def test_a_wrong_label_leaves_the_job_as_it_was(store):
    structure, settings = store.add_structure(rattled_copper(1)[0]), store.add_settings(EMT)
    store.add_jobs([structure], settings)
    (job,) = store.jobs.claim(store.jobs.begin_session(), settings, 1)
    with pytest.raises(DataError, match="shape"):
        store.add_label(job.id, Label(1.0, np.zeros((3, 3)), None, "energy"))
    assert store.jobs.job(job.id).state == "running"
    assert store.label(job.id) is None


def test_a_label_that_the_table_refuses_is_an_error_and_leaves_the_job_as_it_was(store):
    atoms = rattled_copper(1)[0]
    structure, settings = store.add_structure(atoms), store.add_settings(EMT)
    store.add_jobs([structure], settings)
    (job,) = store.jobs.claim(store.jobs.begin_session(), settings, 1)
    with pytest.raises(sqlite3.IntegrityError, match="energy_kind"):
        store.add_label(job.id, Label(1.0, np.zeros((len(atoms), 3)), None, "total_energy"))
    assert store.jobs.job(job.id).state == "running"


@pytest.fixture
def labelled(store):
    """Store with three labels, all of whose values differ from zero."""
    settings = store.add_settings(EMT)
    frames = rattled_copper(3)
    store.add_jobs([store.add_structure(atoms) for atoms in frames], settings)
    for job in store.jobs.claim(store.jobs.begin_session(), settings, 3):
        store.add_label(job.id, label(store.structure(job.structure_id), energy=-0.5))
    return store


FLIPS = [
    ("labels", "energy = energy * (1 + 2.3e-16)"),
    ("labels", "energy_kind = 'energy'"),
    ("labels", "forces = CAST(zeroblob(8) || substr(forces, 9) AS BLOB)"),
    ("labels", "stress = NULL"),
    ("labels", "forces = substr(forces, 9)"),
    ("labels", "raw_sha256 = 'x'"),
    ("structures", "positions = CAST(zeroblob(8) || substr(positions, 9) AS BLOB)"),
    ("structures", "pbc = 3"),
]


@pytest.mark.parametrize(("table", "change"), FLIPS)
def test_a_change_in_the_file_is_noticed(labelled, table, change):
    job, structure = labelled.database.rows("SELECT id, structure_id FROM jobs")[1]
    name, value = ("job_id", job) if table == "labels" else ("id", structure)
    assert labelled.database.write(f"UPDATE {table} SET {change} WHERE {name} = ?", (value,)) == 1
    with pytest.raises(StoreError, match=f"{value[:12]} in .* has changed"):
        list(labelled.labelled())


def test_a_label_that_has_changed_is_computed_again(labelled):
    (job,) = labelled.database.rows("SELECT id FROM jobs")[1]
    labelled.history.add_model("0" * 64, "model.pt", [job], iteration=0, metrics={})
    assert labelled.discard_changed_labels() == 0
    labelled.database.write("UPDATE labels SET energy = 1.0 WHERE job_id = ?", (job,))
    assert labelled.discard_changed_labels() == 1
    assert labelled.jobs.job(job).state == "waiting"
    assert len(list(labelled.labelled())) == 2
    (again,) = labelled.jobs.claim(labelled.jobs.begin_session(), labelled.add_settings(EMT), 5)
    assert again.id == job
    assert labelled.add_label(job, label(labelled.structure(again.structure_id)))


def test_a_zero_of_either_sign_is_no_change(store):
    atoms = rattled_copper(1)[0]
    settings = store.add_settings(EMT)
    store.add_jobs([store.add_structure(atoms)], settings)
    (job,) = store.jobs.claim(store.jobs.begin_session(), settings, 1)
    store.add_label(job.id, label(atoms, energy=-0.0))
    assert store.label(job.id).energy == 0.0
