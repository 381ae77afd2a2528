"""A process that measures one potential once: ``python -m mlpot.benchmark.worker task.json answer.json``.

A process of its own for every measurement has a peak of memory of its own, threads of its own, and whatever a package
does to the global state of torch. This module imports next to nothing: the memory that LAMMPS needs is read from what
the system counts for the children of this process, and that count starts with the size of this process itself.
"""

import json
import re
import resource
import sys
import time
from pathlib import Path
from typing import Any

from mlpot.errors import MLPotError

Answer = dict[str, Any]


def main() -> None:
    """Carry out the task in the first file, write the answer to the second."""
    task = json.loads(Path(sys.argv[1]).read_text())
    actions = {"LAMMPS": run_lammps, "ASE": run_ase, "peak": matrix_rate}
    try:
        answer = actions[task["program"]](task)
    except MLPotError as error:
        answer = {"error": str(error)}
    Path(sys.argv[2]).write_text(json.dumps(answer))


def run_lammps(task: dict[str, Any]) -> Answer:
    """Run an input; the last of its runs counts."""
    from mlpot import lammps  # noqa: PLC0415  # light, unlike what others need

    result = lammps.run(task["script"], ranks=task["ranks"], threads=task["threads"], directory=task["folder"])
    answer = read_loop(result.output)
    # Of several ranks the largest; Linux counts kilobytes, macOS bytes.
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {**answer, "peak_bytes": task["ranks"] * largest}


def read_loop(output: str) -> Answer:
    """Time of a step, s, engine and version, from the output of the last run of LAMMPS.

    Parameters
    ----------
    output : str
        What LAMMPS wrote to the screen.
    """
    loops = re.findall(r"^Loop time of (\S+) on \d+ procs for (\d+) steps", output, re.MULTILINE)
    seconds, steps = loops[-1]
    engine = re.search(r"^Pair style mlpot runs .* with engine (.*?), precision (\w+)", output, re.MULTILINE)
    version = re.match(r"LAMMPS \((.*)\)", output)
    builds = re.findall(r"^Neighbor list builds = (\d+)", output, re.MULTILINE)
    return {
        "seconds_per_step": float(seconds) / int(steps),
        "engine": engine[1] if engine else "",
        "precision": engine[2] if engine else "double",
        "version": version[1] if version else "",
        "list_builds": int(builds[-1]) if builds else None,
    }


def run_ase(task: dict[str, Any]) -> Answer:
    """Time ASE's velocity Verlet loop."""
    import ase.io  # noqa: PLC0415  # large
    import numpy as np  # noqa: PLC0415
    from ase import units  # noqa: PLC0415
    from ase.md.velocitydistribution import MaxwellBoltzmannDistribution  # noqa: PLC0415
    from ase.md.verlet import VelocityVerlet  # noqa: PLC0415

    atoms = ase.io.read(task["structure"])
    atoms.calc, names = _calculator(task["calculator"])
    MaxwellBoltzmannDistribution(atoms, temperature_K=task["temperature"], rng=np.random.default_rng(0))
    dynamics = VelocityVerlet(atoms, timestep=task["timestep"] * units.fs)
    dynamics.run(task["warm_up"])
    start = time.perf_counter()
    dynamics.run(task["steps"])
    seconds = time.perf_counter() - start
    return {"seconds_per_step": seconds / task["steps"], "peak_bytes": _own_peak(), **names}


def matrix_rate(task: dict[str, Any]) -> Answer:
    """Rate of a float32 matrix product, the most that one can hope for."""
    import numpy as np  # noqa: PLC0415  # large

    size = task["size"]
    a = np.ones((size, size), dtype=np.float32)
    best = float("inf")
    for _ in range(task["steps"]):
        start = time.perf_counter()
        np.matmul(a, a)
        best = min(best, time.perf_counter() - start)
    return {"gflops": 2.0 * size**3 / best / 1e9}


def _calculator(task: dict[str, Any]) -> tuple[Any, Answer]:
    """Make the calculator, and find out how it names itself."""
    if "path" in task:
        import mlpot  # noqa: PLC0415

        calculator = mlpot.load(task["path"], engine=task["engine"], precision=task["precision"], skin=task["skin"])
        return calculator, {"engine": calculator.engine.name, "precision": calculator.engine.precision}
    from mlpot.benchmark.peers import PEERS  # noqa: PLC0415

    peer, precision = PEERS[task["peer"]], task["precision"] or "mixed"
    name = peer.version()
    return peer.build(task["elements"], task["neighbors"], precision), {"engine": name, "precision": precision}


def _own_peak() -> int:
    """Peak resident memory of this process, without that of the one that started it."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:  # not Linux
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return 1024 * int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0])


if __name__ == "__main__":
    main()
