"""The queue of calculations: claims, restarts, several processes."""

import subprocess
import sys

import pytest
from labelling import rattled_copper

from mlpot.active_learning.store.store import Store

EMT = {"code": "emt", "parameters": {}}


def test_a_job_that_is_restarted_too_often_fails_and_can_be_retried(store):
    settings = store.add_settings(EMT)
    store.add_jobs([store.add_structure(rattled_copper(1)[0])], settings)
    session = store.jobs.begin_session()
    for expected in ("waiting", "waiting", "failed"):
        (job,) = store.jobs.claim(session, settings, 1)
        assert store.jobs.requeue(job.id, "killed", 3, 5.0) == (expected == "failed")
        assert store.jobs.job(job.id).state == expected
    assert "died 3 times" in store.jobs.job(job.id).reason
    assert store.database.number("SELECT sum(seconds) FROM runs") == 15.0
    assert store.jobs.retry_failed(settings) == 1
    assert store.jobs.claim(session, settings, 1)[0].runs == 4


WRITER = """
import sys
from labelling import rattled_copper
from mlpot.active_learning.store.records import Label
from mlpot.active_learning.store.store import Store
import numpy as np
with Store(sys.argv[1], create=True) as store:
    settings = store.add_settings({"code": "emt", "parameters": {}})
    store.add_jobs([store.add_structure(atoms) for atoms in rattled_copper(30)], settings)
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
        assert store.jobs.counts() == {"waiting": 0, "running": 0, "done": 30, "failed": 0}


CLAIMER = """
import sys
from mlpot.active_learning.store.store import Store
store = Store(sys.argv[1])
print(len(store.jobs.claim(store.jobs.begin_session(), sys.argv[2], 2)), flush=True)
sys.stdin.read()
"""


def test_claims_hold_while_their_process_lives_and_not_longer(store):
    settings = store.add_settings(EMT)
    store.add_jobs([store.add_structure(atoms) for atoms in rattled_copper(3)], settings)
    command = [sys.executable, "-c", CLAIMER, str(store.path), settings]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "2\n"
        session = store.jobs.begin_session()
        assert store.jobs.take_over(session, settings) == []
        assert len(store.jobs.claim(session, settings, 5)) == 1
        other.kill()
        # Dead but not yet waited for: a zombie holds no claims.
        while not (taken := store.jobs.take_over(session, settings)):
            pass
    assert len(taken) == 2
    assert len(store.jobs.held(session)) == 3
