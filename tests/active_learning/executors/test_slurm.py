"""A real Slurm: whichever of job, node, driver and Slurm itself dies, each label is computed once."""

import subprocess
import time
from collections import Counter

import pytest
from labelling import add_jobs, faulty, start
from one_node_slurm import one_node_slurm
from rich.console import Console

from mlpot.active_learning.config import ExecutorSettings
from mlpot.active_learning.labelling.driver import label_waiting
from mlpot.active_learning.store.store import Store
from mlpot.cli.active_status import status_view
from mlpot.errors import StoreError

pytestmark = [pytest.mark.slurm]


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    with one_node_slurm(tmp_path_factory.mktemp("slurm")) as daemons:
        yield daemons


@pytest.fixture(autouse=True)
def _environment(slurm, monkeypatch):
    monkeypatch.setenv("SLURM_CONF", slurm.environment["SLURM_CONF"])


def running(slurm):
    return slurm.add_jobs("squeue", "-h", "-t", "R", "-o", "%i").split()


def wait_until_idle(slurm):
    deadline = time.monotonic() + 20.0
    while running(slurm) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert running(slurm) == []


def beginnings(log):
    """How often each structure was begun."""
    return Counter(line.split()[0] for line in log.read_text().splitlines()) if log.exists() else Counter()


def status(store):
    """Output of `mlpot active status`, on one line."""
    console = Console(width=200)
    with console.capture() as capture:
        console.print(status_view(store))
    return " ".join(capture.get().split())


class Script:
    """Steps during a run: each is called until it returns true, then the next."""

    def __init__(self, *steps):
        self.steps = list(steps)

    def __call__(self):
        if self.steps and self.steps[0]():
            self.steps.pop(0)
        return False


def done(action):
    """A step that is over after one call."""

    def step():
        action()
        return True

    return step


def in_order(store, settings, identity, n_jobs):
    """Check that each label is there, once."""
    counts = store.jobs.counts(identity)
    assert (counts["done"], counts["waiting"], counts["running"], counts["failed"]) == (n_jobs, 0, 0, 0)
    assert len({one.job.structure_id for one in store.labelled(identity)}) == n_jobs
    assert not list(store.work_folder.glob("*-*"))


def test_a_job_whose_worker_is_killed_is_done_again(slurm, store, tmp_path):
    log, seen = tmp_path / "log", []
    settings = faulty(("slow", {"log": str(log), "seconds": 5.0}))
    identity = add_jobs(store, settings, 3)

    def kill_first_job():
        subprocess.run(["scancel", "--signal=KILL", "--full", running(slurm)[0]], check=True)

    script = Script(lambda: len(beginnings(log)) == 2, done(kill_first_job))
    report = label_waiting(
        store,
        settings,
        ExecutorSettings(kind="slurm", workers=2),
        stop=script,
        on_change=lambda: seen.append(status(store)),
    )
    assert (report.done, report.restarted, report.halted) == (3, 1, None), store.history.events()
    in_order(store, settings, identity, 3)
    assert sorted(beginnings(log).values()) == [1, 1, 2]
    (event,) = store.history.events()
    assert event.kind == "restarted"
    assert "of Slurm ended as" in event.message
    assert any("of Slurm ended as" in words for words in seen)


def test_a_node_that_dies_gives_its_jobs_back(slurm, store, tmp_path):
    """kill -9 of slurmd and all of its processes; the node comes back, and the jobs are repeated."""
    log, seen = tmp_path / "log", []
    settings = faulty(("slow", {"log": str(log), "seconds": 12.0}))
    identity = add_jobs(store, settings, 3)
    script = Script(
        lambda: len(beginnings(log)) == 2,
        done(slurm.kill_node),
        lambda: slurm.node_state().startswith("down"),
        lambda: seen.append(status(store)) or "blocked: jobs cannot start" in seen[-1],
        done(slurm.start_node),
    )
    report = label_waiting(store, settings, ExecutorSettings(kind="slurm", workers=2), stop=script)
    assert not script.steps
    assert (report.done, report.restarted, report.halted) == (3, 2, None), store.history.events()
    in_order(store, settings, identity, 3)
    assert sorted(beginnings(log).values()) == [1, 2, 2]
    messages = [event.message for event in store.history.events() if event.kind == "restarted"]
    assert all("NODE_FAIL" in message for message in messages), messages
    assert "blocked" not in status(store)
    assert [event.kind for event in store.history.events()][-1] == "resumed"


def test_a_node_that_slurm_takes_for_dead_loses_nothing(slurm, store, tmp_path):
    """slurmd dies alone, and its jobs continue unknown to Slurm: their results are collected."""
    log = tmp_path / "log"
    settings = faulty(("slow", {"log": str(log), "seconds": 8.0}))
    identity = add_jobs(store, settings, 3)
    script = Script(
        lambda: len(beginnings(log)) == 2,
        done(slurm.kill_slurmd),
        lambda: slurm.node_state().startswith("down"),
        done(slurm.start_node),
    )
    report = label_waiting(store, settings, ExecutorSettings(kind="slurm", workers=2), stop=script)
    assert (report.done, report.restarted, report.halted) == (3, 0, None), store.history.events()
    in_order(store, settings, identity, 3)
    assert set(beginnings(log).values()) == {1}


def test_slurm_that_does_not_answer_is_waited_for(slurm, store, tmp_path):
    """slurmctld is dead for longer than a job takes; finished results are collected, the others later.

    It writes its state every 5 s: killed before, it would forget the jobs, give their numbers to others, and drain the
    node that runs both.
    """
    log, seen, begun, killed = tmp_path / "log", [], [], []
    settings = faulty(("slow", {"log": str(log), "seconds": 15.0}))
    identity = add_jobs(store, settings, 4)
    script = Script(
        lambda: len(beginnings(log)) == 2,
        done(lambda: begun.append(time.monotonic())),
        lambda: time.monotonic() - begun[0] > 8.0,
        done(slurm.kill_controller),
        done(lambda: killed.append(time.monotonic())),
        lambda: seen.append(status(store)) or "Slurm does not answer" in seen[-1],
        lambda: time.monotonic() - killed[0] > 25.0,
        done(slurm.start_controller),
    )
    report = label_waiting(store, settings, ExecutorSettings(kind="slurm", workers=2), stop=script)
    assert not script.steps
    assert (report.done, report.restarted, report.halted) == (4, 0, None), store.history.events()
    in_order(store, settings, identity, 4)
    assert set(beginnings(log).values()) == {1}
    assert [event.kind for event in store.history.events()] == ["blocked", "resumed"]


def test_a_killed_driver_finds_its_jobs_again_and_repeats_none(slurm, store, tmp_path):
    log = tmp_path / "log"
    settings = faulty(("slow", {"log": str(log), "seconds": 20.0}))  # longer than what is not found may take
    identity = add_jobs(store, settings, 2)
    executor = ExecutorSettings(kind="slurm", workers=2)
    driver = start(store, settings, executor)
    while len(beginnings(log)) < 2:
        time.sleep(0.1)
    driver.kill()
    driver.wait()
    assert "2 calculations belong to a process that died" in status(store)
    assert label_waiting(store, settings, executor).done == 2
    in_order(store, settings, identity, 2)
    assert set(beginnings(log).values()) == {1}
    wait_until_idle(slurm)


def test_a_driver_killed_while_it_submits_submits_nothing_twice(slurm, store, tmp_path):
    """At any moment of its first seconds: the job may be in the queue and in no file of ours."""
    log = tmp_path / "log"
    settings = faulty(("slow", {"log": str(log), "seconds": 1.0}))
    identity = add_jobs(store, settings, 6)
    executor = ExecutorSettings(kind="slurm", workers=2)
    for pause in (0.0, 0.05, 0.1):
        driver = start(store, settings, executor)
        while not list(store.work_folder.glob("*/task.json")):
            time.sleep(0.005)
        time.sleep(pause)
        driver.kill()
        driver.wait()
    assert label_waiting(store, settings, executor).done == 6
    in_order(store, settings, identity, 6)
    assert set(beginnings(log).values()) == {1}


def test_a_queue_that_takes_no_jobs_is_named(store):
    settings = faulty(("slow", {"log": "log"}))
    add_jobs(store, settings, 1)
    with pytest.raises(StoreError, match=r"Slurm rejects the job: .*partition"):
        label_waiting(store, settings, ExecutorSettings(kind="slurm", partition="none"))
    assert store.jobs.counts()["waiting"] == 1


def test_what_is_stopped_leaves_no_job_in_the_queue(slurm, store, tmp_path):
    log = tmp_path / "log"
    settings = faulty(("slow", {"log": str(log), "seconds": 60.0}))
    add_jobs(store, settings, 2)
    report = label_waiting(
        store, settings, ExecutorSettings(kind="slurm", workers=2), stop=lambda: len(beginnings(log)) == 2
    )
    assert report.stopped
    assert Store(store.path).jobs.counts()["waiting"] == 2
    wait_until_idle(slurm)
