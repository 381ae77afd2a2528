"""Threads of a process by default, and a warning of more threads than cores.

A process may use the cores of its affinity. Its control groups may grant less CPU time than these have, and the ranks
of an MPI job share the cores and the time of a node.
"""

import functools
import logging
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

LOGGER = logging.getLogger("mlpot")
ROOT = Path("/")

RANKS = (
    ("OMPI_COMM_WORLD_LOCAL_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"),  # Open MPI
    ("MPI_LOCALNRANKS", "MPI_LOCALRANKID"),  # MPICH, Intel MPI
    ("MV2_COMM_WORLD_LOCAL_SIZE", "MV2_COMM_WORLD_LOCAL_RANK"),  # MVAPICH
    ("PALS_LOCAL_SIZE", "PALS_LOCAL_RANKID"),  # Cray
    ("SLURM_STEP_TASKS_PER_NODE", "SLURM_LOCALID"),  # srun: such as 4(x2),3
)
"""Environment variables of MPI launchers: number of ranks on the node of a process, and its own number there."""

REFUSED = (
    "%d of %d threads do the work, since the system refuses to create more: set OMP_NUM_THREADS to fewer, or raise the "
    "limits of processes and memory (ulimit -u, ulimit -v)"
)
OVERSUBSCRIBED = (
    "cores are oversubscribed, which is slow: %d threads share %d processors (MPI ranks on this node: %d); set "
    "OMP_NUM_THREADS=%d, or `threads`"
)


class Ranks(NamedTuple):
    """MPI ranks on the node of this process; one without MPI.

    Attributes
    ----------
    number : int
    own : int
        From 0.
    """

    number: int
    own: int


def default_threads() -> int:
    """Default number of threads: ``OMP_NUM_THREADS``, else `usable_cores`."""
    variable = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(variable) if variable.isdigit() and int(variable) > 0 else usable_cores()


def usable_cores(root: Path = ROOT) -> int:
    """Cores that this process may use, at least 1: its share, where several MPI ranks run on the node.

    Parameters
    ----------
    root : Path
        Of the file system that contains ``proc`` and ``sys``.
    """
    if not hasattr(os, "sched_getaffinity"):  # macOS
        return os.cpu_count() or 1
    own, ranks = _number_of_cores(os.sched_getaffinity(0), root), local_ranks().number
    shared = own if ranks == 1 else _number_of_cores(_node(root), root)
    return max(1, min(own, math.floor(min(shared, _quota(root)) / ranks)))


def local_ranks() -> Ranks:
    """MPI ranks on this node, from the environment variables of the launcher."""
    for size, rank in RANKS:
        numbers = [part.partition("(")[0] for part in os.environ.get(size, "").split(",")]
        own = os.environ.get(rank, "")
        if own.isdigit() and all(number.isdigit() for number in numbers):
            return Ranks(max(1, *map(int, numbers)), int(own))
    return Ranks(1, 0)


@functools.cache
def warn_of_threads(requested: int, created: int) -> None:
    """Warn, once per process, of threads that could not be created, and of more threads than processors.

    The latter on one MPI rank of a node.
    """
    if created < requested:
        LOGGER.warning(REFUSED, created, requested)
    if not hasattr(os, "sched_getaffinity"):
        return
    ranks, own_rank = local_ranks()
    threads, processors = created, len(os.sched_getaffinity(0))
    if ranks > 1 and threads <= processors:  # else a rank that is bound to fewer processors than it has threads
        threads, processors = ranks * threads, len(_node(ROOT))
    limit = max(1, math.floor(min(processors, _quota(ROOT))))
    if own_rank == 0 and threads > limit:
        LOGGER.warning(OVERSUBSCRIBED, threads, limit, ranks, usable_cores())


def _number_of_cores(processors: set[int], root: Path) -> int:
    """Physical cores; the logical processors of one core have the same arithmetic units."""
    return len({_core_of(processor, root) for processor in processors})


def _core_of(processor: int, root: Path) -> str:
    try:
        return (root / f"sys/devices/system/cpu/cpu{processor}/topology/thread_siblings_list").read_text()
    except OSError:
        return str(processor)


def _node(root: Path) -> set[int]:
    """Processors of the node that the control groups of this process allow."""
    for folder in _control_groups("cpuset", root):
        for name in ("cpuset.cpus.effective", "cpuset.effective_cpus"):
            processors = _ranges(_read(folder / name))
            if processors:
                return processors
    return set(range(os.cpu_count() or 1))


def _ranges(text: str) -> set[int]:
    """Numbers such as ``0-3,8``."""
    numbers = set[int]()
    for part in text.strip().split(",") if text.strip() else ():
        first, _, last = part.partition("-")
        numbers.update(range(int(first), int(last or first) + 1))
    return numbers


def _quota(root: Path) -> float:
    """CPUs whose time the control groups grant; infinite without a limit."""
    quotas = [math.inf]
    for folder in _control_groups("cpu", root):
        words = _read(folder / "cpu.max").split() or [
            _read(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")
        ]
        if all(word.isdigit() for word in words):  # otherwise `max`, -1 or no such file
            quotas.append(int(words[0]) / int(words[1]))
    return min(quotas)


def _control_groups(controller: str, root: Path) -> Iterator[Path]:
    """Folders of the control groups of this process, of versions 1 and 2, from its own to the outermost.

    In a container the innermost ones may not exist.
    """
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        mount = root / "sys/fs/cgroup" / (controller if controllers else "")
        group = Path(path.lstrip("/"))
        yield from (mount / part for part in (group, *group.parents) if (mount / part).is_dir())


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
