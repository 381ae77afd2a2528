"""A real Slurm: jobs that are killed are done again, a killed driver finds its jobs in the queue."""

import subprocess
import time
from collections import Counter

import pytest
from labelling import ask, faulty, start
from one_node_slurm import one_node_slurm

from mlpot.active.label.driver import label_waiting
from mlpot.active.settings import ExecutorSettings

pytestmark = [pytest.mark.slurm]
pytest.importorskip("executorlib", reason="pip install 'mlpot[cluster]'")


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    with one_node_slurm(tmp_path_factory.mktemp("slurm")) as environment:
        yield environment


@pytest.fixture(autouse=True)
def _environment(slurm, monkeypatch):
    monkeypatch.setenv("SLURM_CONF", slurm["SLURM_CONF"])


def running():
    answer = subprocess.run(["squeue", "-h", "-t", "R", "-o", "%i"], capture_output=True, text=True, check=True)
    return answer.stdout.split()


def kill_first_job():
    """Kill -9 the processes of a running job, as a failing node does."""
    while not (jobs := running()):
        time.sleep(0.1)
    time.sleep(2.0)
    subprocess.run(["scancel", "--signal=KILL", "--full", jobs[0]], check=False)


def beginnings(log):
    return Counter(line.split()[0] for line in log.read_text().splitlines())


def test_a_job_whose_worker_is_killed_is_done_again(store, tmp_path):
    log = tmp_path / "log"
    settings = faulty(("slow", {"log": str(log), "seconds": 8.0}))
    identity = ask(store, settings, 3)
    killed = []

    def stop():
        if not killed and log.exists():
            kill_first_job()
            killed.append(True)
        return False

    report = label_waiting(store, settings, ExecutorSettings(kind="slurm", workers=2), stop=stop)
    assert (report.done, report.lost, report.halted) == (3, 1, None), store.history.events()
    assert len(list(store.labelled(identity))) == 3
    assert sorted(beginnings(log).values()) == [1, 1, 2]
    assert [event.kind for event in store.history.events()] == ["lost"]


def test_a_killed_driver_finds_its_jobs_again_and_repeats_none(store, tmp_path):
    log = tmp_path / "log"
    settings = faulty(("slow", {"log": str(log), "seconds": 8.0}))
    ask(store, settings, 4)
    executor = ExecutorSettings(kind="slurm", workers=2)
    driver = start(store, settings, executor)
    while len(running()) < 2 or not log.exists():
        time.sleep(0.2)
    driver.kill()
    driver.wait()
    assert label_waiting(store, settings, executor).done == 4
    assert set(beginnings(log).values()) == {1}
    assert running() == []
