"""kill -9 of driver, worker or calculation at random moments: no label is lost, none is computed twice."""

import contextlib
import os
import signal
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from labelling import add_jobs, faulty, start

from mlpot.active_learning.config import LabelSettings
from mlpot.active_learning.labelling.driver import label_waiting
from mlpot.active_learning.store.store import Store


def children(pid):
    try:
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def family(pid):
    """Workers and calculations of a driver."""
    workers = children(pid)
    return workers, [one for worker in workers for one in children(worker)]


def kill(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def wait_until_gone(pids, seconds=60.0):  # a worker that still imports notices at the end of that
    deadline = time.monotonic() + seconds
    while (left := [pid for pid in pids if alive(pid)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not left, "processes outlive their driver"


def kill_at_random(store, settings, n_kills, rng):
    """Kill a number of times, or until everything is labelled; then let the driver finish."""
    began = time.monotonic()
    driver, kills = start(store, settings), defaultdict(int)
    while driver.poll() is None and not family(driver.pid)[1]:
        time.sleep(0.02)
    beginning = time.monotonic() - began + 0.5  # a slow machine is still at its imports where a fast one has labels
    length = beginning
    while sum(kills.values()) < n_kills:
        time.sleep(rng.uniform(0.0, length))
        length = 1.0
        workers, calculations = family(driver.pid)
        if driver.poll() is not None:
            break
        if not workers:
            continue
        kind = rng.choice(["driver", "worker", "calculation", "driver and workers"])
        victims = {"driver": [driver.pid], "worker": workers[:1], "calculation": calculations[:1]}
        for pid in victims.get(kind, [driver.pid, *workers]):
            kill(pid)
        kills[kind] += kind != "calculation" or bool(calculations)  # moments, not victims
        if kind.startswith("driver"):
            driver.wait()
            wait_until_gone(workers + calculations)
            driver, length = start(store, settings), beginning
    assert driver.wait(300) == 0
    return dict(kills)


@pytest.mark.parametrize(
    ("n_kills", "n_jobs"),
    [pytest.param(6, 120, marks=pytest.mark.faults), pytest.param(100, 1000, marks=pytest.mark.slow)],
    ids=["some", "many"],
)
def test_kills_lose_nothing_and_repeat_nothing(store, tmp_path, n_kills, n_jobs):
    log = tmp_path / "log"
    settings = faulty(("slow", {"log": str(log), "seconds": 0.15}), max_restarts=30, keep_outputs=False, check_every=0)
    add_jobs(store, settings, n_jobs)
    kills = kill_at_random(store, settings, n_kills, np.random.default_rng(n_kills))
    assert sum(kills.values()) >= n_kills, f"all was labelled after {kills}"
    assert store.jobs.counts()["done"] == n_jobs
    assert labels_of_structures(store) == undisturbed(tmp_path, n_jobs)
    begun = defaultdict(list)
    for line in log.read_text().splitlines():
        structure, moment = line.split()
        begun[structure].append(float(moment))
    in_store = {
        r["structure_id"]: r["created"]
        for r in store.database.rows("SELECT j.structure_id, l.created FROM labels l JOIN jobs j ON j.id = l.job_id")
    }
    assert all(moment < in_store[structure] for structure, moments in begun.items() for moment in moments)
    repeated = sum(len(moments) - 1 for moments in begun.values())
    assert repeated <= 2 * n_kills + 2, "more was repeated than was running"


@pytest.mark.faults
def test_a_killed_check_is_repeated(store, tmp_path):
    """kill -9 of the driver, of the worker, of both, each while the reference structure is computed."""
    log = tmp_path / "log"
    settings = faulty(("slow", {"log": str(log), "seconds": 0.4}), keep_outputs=False, check_every=4, max_restarts=30)
    add_jobs(store, settings, 12)
    seen = set()
    for victims in ("driver", "worker", "both"):
        driver = start(store, settings)
        while not (folders := set(store.work_folder.glob("check-*")) - seen):
            time.sleep(0.01)
        seen |= folders
        time.sleep(0.2)
        workers, calculations = family(driver.pid)
        if victims == "worker":
            for pid in workers:
                kill(pid)
            time.sleep(0.2)
        kill(driver.pid)
        driver.wait()
        wait_until_gone(workers + calculations)
    assert label_waiting(store, settings).halted is None
    assert labels_of_structures(store) == undisturbed(tmp_path, 12)
    checks = store.database.rows("SELECT n_labels, passed FROM checks ORDER BY id")
    assert [row["passed"] for row in checks] == [1] * len(checks)
    assert len(checks) >= 2
    assert not list(store.work_folder.glob("check-*"))


def labels_of_structures(store):
    return {one.job.structure_id: (one.label.energy, one.label.forces.tobytes()) for one in store.labelled()}


def undisturbed(folder, n_jobs):
    with Store(folder / "undisturbed.db", create=True) as store:
        settings = LabelSettings(code="emt", keep_outputs=False)
        add_jobs(store, settings, n_jobs)
        label_waiting(store, settings)
        return labels_of_structures(store)
