"""Default threads: affinity, quotas of control groups of both versions, ranks of MPI launchers; the warnings."""

import logging
import os

import pytest

from mlpot.running import cores
from mlpot.running.cores import Ranks, default_threads, local_ranks, usable_cores, warn_of_threads

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="needs the affinity of Linux")
LAUNCHERS = [
    ({"OMPI_COMM_WORLD_LOCAL_SIZE": "4", "OMPI_COMM_WORLD_LOCAL_RANK": "1"}, Ranks(4, 1)),
    ({"MPI_LOCALNRANKS": "2", "MPI_LOCALRANKID": "0"}, Ranks(2, 0)),
    ({"SLURM_STEP_TASKS_PER_NODE": "4(x2),3", "SLURM_LOCALID": "2"}, Ranks(4, 2)),
    # mpirun of Open MPI in one task of srun
    (
        {"SLURM_STEP_TASKS_PER_NODE": "1", "SLURM_LOCALID": "0"}
        | {"OMPI_COMM_WORLD_LOCAL_SIZE": "8", "OMPI_COMM_WORLD_LOCAL_RANK": "7"},
        Ranks(8, 7),
    ),
    ({"SLURM_STEP_TASKS_PER_NODE": "many", "SLURM_LOCALID": "2"}, Ranks(1, 0)),
    ({"SLURM_NTASKS_PER_NODE": "4", "SLURM_LOCALID": "0"}, Ranks(1, 0)),  # a batch script, before srun
]
VERSION_2 = {"proc/self/cgroup": "0::/job/step\n"}
VERSION_1 = {"proc/self/cgroup": "3:cpuset:/job\n2:cpu,cpuacct:/job\n"}


def quota(microseconds):
    """Files of version 1."""
    folder = "sys/fs/cgroup/cpu/job"
    return {f"{folder}/cpu.cfs_quota_us": f"{microseconds}\n", f"{folder}/cpu.cfs_period_us": "100000\n"}


@pytest.fixture(autouse=True)
def no_launcher(monkeypatch):
    """Without the variables of the launcher that the tests may run in."""
    for names in cores.RANKS:
        for name in names:
            monkeypatch.delenv(name, raising=False)
    warn_of_threads.cache_clear()


@pytest.fixture
def four_processors(monkeypatch):
    """An affinity of processors 0 to 3, which this machine may not have."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})


def system(folder, files, pairs=()):
    """A file system with these files, and processors that are `pairs` of one core."""
    siblings = {f"sys/devices/system/cpu/cpu{n}/topology/thread_siblings_list": f"{pair}\n" for n, pair in pairs}
    for name, content in (files | siblings).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


@pytest.mark.parametrize(("variables", "expected"), LAUNCHERS)
def test_ranks_on_the_node(monkeypatch, variables, expected):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert local_ranks() == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 4),
        (VERSION_2 | {"sys/fs/cgroup/job/cpu.max": "max 100000\n"}, 4),
        (VERSION_2 | {"sys/fs/cgroup/job/cpu.max": "250000 100000\n", "sys/fs/cgroup/job/step/a": ""}, 2),
        (VERSION_2 | {"sys/fs/cgroup/job/step/cpu.max": "50000 100000\n"}, 1),
        (VERSION_2 | {"sys/fs/cgroup/cpu.max": "300000 100000\n"}, 3),  # a container: its group is the root
        (VERSION_1 | quota(-1), 4),
        (VERSION_1 | quota(200000), 2),
        ({"proc/self/cgroup": "0::/gone\n"}, 4),
    ],
)
@pytest.mark.usefixtures("four_processors")
def test_quotas(tmp_path, files, expected):
    assert usable_cores(system(tmp_path, files)) == expected


@pytest.mark.usefixtures("four_processors")
def test_logical_processors_of_a_core_count_once(tmp_path):
    pairs = [(0, "0-1"), (1, "0-1"), (2, "2-3"), (3, "2-3")]
    assert usable_cores(system(tmp_path, {}, pairs)) == 2


@pytest.mark.parametrize(
    ("ranks", "node", "expected"), [(2, "0-15", 4), (4, "0-15", 4), (8, "0-15", 2), (32, "0-15", 1), (4, "0-3", 1)]
)
@pytest.mark.usefixtures("four_processors")
def test_ranks_share_the_processors_of_the_node(tmp_path, monkeypatch, ranks, node, expected):
    """Also those that are bound to a part of them."""
    monkeypatch.setenv("MPI_LOCALNRANKS", str(ranks))
    monkeypatch.setenv("MPI_LOCALRANKID", "0")
    files = VERSION_2 | {"sys/fs/cgroup/job/cpuset.cpus.effective": node, "sys/fs/cgroup/job/step/a": ""}
    assert usable_cores(system(tmp_path, files)) == expected


def test_ranks_share_a_quota(tmp_path, monkeypatch, four_processors):
    monkeypatch.setenv("MPI_LOCALNRANKS", "2")
    monkeypatch.setenv("MPI_LOCALRANKID", "1")
    files = VERSION_1 | quota(400000)
    files |= {"sys/fs/cgroup/cpuset/job/cpuset.effective_cpus": "0-3,8-11\n"}
    assert usable_cores(system(tmp_path, files)) == 2


@pytest.mark.parametrize(("value", "expected"), [("3", 3), ("2,1", 2), (" 5 ", 5)])
def test_threads_follow_the_environment(monkeypatch, value, expected):
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert default_threads() == expected


@pytest.mark.parametrize("value", ["", "0", "many", None])
def test_threads_are_the_usable_cores_without_it(monkeypatch, value):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if value is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert 1 <= default_threads() == usable_cores() <= len(os.sched_getaffinity(0))


def test_one_warning_of_oversubscribed_cores(caplog):
    processors = len(os.sched_getaffinity(0))
    warn_of_threads(1, 1)
    assert not caplog.records
    for _ in range(2):
        warn_of_threads(processors + 1, processors + 1)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert f"oversubscribed, which is slow: {processors + 1} threads share" in record.getMessage()


@pytest.mark.parametrize(("rank", "expected"), [(0, 1), (1, 0)])
def test_only_one_rank_warns(monkeypatch, caplog, rank, expected):
    monkeypatch.setenv("MPI_LOCALNRANKS", "100000")
    monkeypatch.setenv("MPI_LOCALRANKID", str(rank))
    warn_of_threads(1, 1)
    assert len(caplog.records) == expected
