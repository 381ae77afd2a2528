"""Stores of versions 2 and 3, from a loop of one iteration: labels are found again, and the course is read."""

import lzma
import sqlite3
from pathlib import Path

import pytest

from mlpot.active_learning.reporting.overview import iteration_rows
from mlpot.active_learning.store.schema import SCHEMA_VERSION
from mlpot.active_learning.store.store import Store
from mlpot.active_learning.store.trajectories import TrajectoryRecord
from mlpot.errors import StoreError

APPLICATION_ID = 0x6D6C7041


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "loop.db"
    connection = sqlite3.connect(path)
    connection.executescript(lzma.decompress(Path(__file__).with_name("version_2.sql.xz").read_bytes()).decode())
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute("PRAGMA user_version = 2")
    connection.close()
    return path


def changed(path, statement):
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(statement)
    connection.close()


def test_labels_are_found_again(old):
    connection = sqlite3.connect(old)
    jobs = {row[0] for row in connection.execute("SELECT job_id FROM labels")}
    connection.close()
    with Store(old) as store:
        assert store.database.number("PRAGMA user_version") == SCHEMA_VERSION
        labelled = list(store.labelled())
        assert {one.job.id for one in labelled} == jobs
        assert len(jobs) == 12
        assert {one.held_out for one in labelled} == {True, False}
        settings = labelled[0].job.settings_id
        again = [store.add_structure(one.atoms) for one in labelled]
        assert store.add_jobs(again, store.add_settings({"code": "emt", "parameters": {}})) == 0
        assert store.jobs.cost(settings) > 0.0
        assert not store.database.rows("PRAGMA foreign_key_check")


def test_labels_of_version_3_are_protected_from_then_on(old):
    with Store(old) as store:
        hashes = [row["sha256"] for row in store.database.rows("SELECT sha256 FROM labels ORDER BY sequence")]
        labels = [one.label for one in store.labelled()]
    changed(old, "ALTER TABLE labels DROP COLUMN sha256")
    changed(old, "PRAGMA user_version = 3")
    with Store(old) as store:
        rows = store.database.rows("SELECT sha256, sequence FROM labels ORDER BY sequence")
        assert [(row["sha256"], row["sequence"]) for row in rows] == list(zip(hashes, range(1, 13), strict=True))
        again = [one.label for one in store.labelled()]
        assert [one.forces.tobytes() for one in again] == [one.forces.tobytes() for one in labels]
        assert not store.database.rows("PRAGMA foreign_key_check")


def test_the_course_is_read(old):
    with Store(old) as store:
        rows = iteration_rows(store)
        assert [row.n_train for row in rows] == [8, 10]
        assert {"validation", "random_validation_before"} <= rows[1].errors.keys()
        assert rows[1].random == 1
        assert 0.0 < rows[1].expected_fraction <= 1.0
        records = [TrajectoryRecord.from_values(step.result) for step in store.steps.all("explore")]
        assert [one.ending.kind for one in records] == ["complete", "complete"]
        details = [one.details for record in records for one in record.frames]
        assert all("force_interval" in one for one in details)
        chosen = [one for one in store.history.selections(chosen=True) if one.iteration == 1]
        assert {one.details["kind"] for one in chosen} == {"chosen", "random_validation"}
        origins = store.database.rows("SELECT DISTINCT json_extract(origin, '$.kind') AS kind FROM structures")
        assert "trajectory" in {row["kind"] for row in origins}


def test_other_states_and_endings_have_their_new_names(old):
    changed(old, "UPDATE jobs SET state = 'set_aside', reason = 'x' WHERE rowid = 1")
    changed(old, "UPDATE attempts SET outcome = 'lost' WHERE rowid = 1")
    changed(old, "UPDATE steps SET result = replace(result, '\"complete\"', '\"untrusted: 1 eV/A\"')")
    with Store(old) as store:
        assert store.jobs.counts()["failed"] == 1
        assert store.database.number("SELECT count(*) FROM runs WHERE outcome = 'worker died'") == 1
        endings = {str(TrajectoryRecord.from_values(step.result).ending) for step in store.steps.all("explore")}
        assert endings == {"uncertain: 1 eV/A"}


def test_running_calculations_are_finished_by_the_old_version(old):
    changed(old, "UPDATE jobs SET state = 'running', session_id = 1 WHERE rowid = 1")
    before = old.read_bytes()
    with pytest.raises(StoreError, match="let the version of mlpot that started them finish"):
        Store(old)
    assert old.read_bytes() == before
