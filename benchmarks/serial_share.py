"""Measure the work of an evaluation that does not run in threads.

    python benchmarks/serial_share.py --preset fast --atoms 32768 --threads 64
    python benchmarks/serial_share.py --preset accurate --atoms 4096 --threads 64

The calling thread does an equal part of the work, and what cannot be divided: this is what it needs more than the mean
of the others. CPU times do not depend on how many processors there are, so that 64 threads can share two of them.
"""

import tempfile
import time
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import typer

from mlpot.benchmark.models import untrained_model
from mlpot.benchmark.systems import SKIN, crystal
from mlpot.engines.native import NativeEngine
from mlpot.neighbors.native import NativeVerletList

NEIGHBORS = 28.0


class Share(NamedTuple):
    """CPU times of an evaluation.

    Attributes
    ----------
    total, serial : float
        s, of all threads, and what the calling one needs more than the mean of the others.
    """

    total: float
    serial: float


def measure(preset: str, atoms: int, threads: int, evaluations: int = 20) -> Share:
    """CPU times of one evaluation, the mean of several."""
    system = crystal(["Si"], atoms).atoms
    with tempfile.TemporaryDirectory() as folder:
        engine = NativeEngine(untrained_model(preset, ["Si"], NEIGHBORS, Path(folder)), threads=threads)
    species = np.zeros(len(system), dtype=np.int32)
    neighbors = NativeVerletList(engine.manifest.cutoff, SKIN).of(system)
    engine.evaluate(species, system.positions, neighbors)  # arrays exist from here on
    own, everything = time.thread_time(), time.process_time()
    for _ in range(evaluations):
        engine.evaluate(species, system.positions, neighbors)
    own, everything = time.thread_time() - own, time.process_time() - everything
    others = (everything - own) / (threads - 1)
    return Share(everything / evaluations, (own - others) / evaluations)


def main(
    preset: str = "fast",
    atoms: int = 32768,
    threads: Annotated[int, typer.Option(min=2)] = 64,
) -> None:
    """Print the share."""
    total, serial = measure(preset, atoms, threads)
    print(
        f"{preset}, about {atoms} atoms, {threads} threads: {1e3 * total:.1f} ms of CPU time for an evaluation, "
        f"{1e3 * serial:.2f} ms or {100.0 * serial / total:.2f} % outside of the threads"
    )


if __name__ == "__main__":
    typer.run(main)
