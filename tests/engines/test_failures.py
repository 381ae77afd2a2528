"""The native engine on bad days: no memory, no threads, forks in the middle of an evaluation."""

import copy
import multiprocessing
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import injected_failures
import numpy as np
import pytest
from ase.build import bulk
from committees import random_deep, random_shallow, save_calibrated

from mlpot.calculator import MLPotCalculator
from mlpot.model_file.torchscript import in_double, plain_tensors
from mlpot.training.native import _description
from potentials import random_potential

SMALL = {"lmax": 1, "n_channels": 3, "n_radial": 3, "atomic_numbers": (1, 8)}


@pytest.fixture(scope="module")
def injected(tmp_path_factory):
    return injected_failures.build(tmp_path_factory.mktemp("injected"))


def run_with(injected, *words):
    environment = os.environ | {"LD_PRELOAD": str(injected)}
    done = subprocess.run(
        [sys.executable, *map(str, words)], env=environment, check=False, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def failing_allocations(injected, folder, committee, most):
    save_calibrated(folder / "model.pt", committee)
    potential = random_potential(n_layers=3, **SMALL)
    (folder / "manifest").write_bytes(_description(potential))
    np.savez(folder / "tensors.npz", **plain_tensors(in_double(potential)))
    program = Path(__file__).with_name("failing_allocations.py")
    files = (folder / name for name in ("model.pt", "manifest", "tensors.npz"))
    done = run_with(injected, program, injected, most, *files)
    actions = re.findall(r": (\d+) failures in (\d+) allocations", done.stdout)
    assert len(actions) == 10
    assert all(int(failures) > min(most, int(allocations)) for failures, allocations in actions), done.stdout


def test_every_allocation_may_fail(injected, tmp_path):
    failing_allocations(injected, tmp_path, random_shallow(3, n_layers=2, **SMALL), most=8)


@pytest.mark.slow
@pytest.mark.parametrize("n_layers", [1, 2])
def test_every_allocation_of_a_deep_committee_may_fail(injected, tmp_path, n_layers):
    failing_allocations(injected, tmp_path, random_deep(3, n_layers=n_layers, **SMALL), most=150)


THREADS = """
import ctypes, sys
from ase.build import bulk
from mlpot.engines.native import NativeEngine
library, model = sys.argv[1:]
atoms = bulk("Si", cubic=True)
atoms.rattle(0.1, seed=0)
for most in (0, 2, 3):
    ctypes.CDLL(library).limit_threads(most)
    engine = NativeEngine(model, threads=4)
    results = engine.compute(atoms)
    print(engine.threads, results.energy.hex(), results.forces.tobytes().hex())
"""


def test_threads_that_cannot_be_created_are_done_without(injected, deep_model_file):
    done = run_with(injected, "-c", THREADS, injected, deep_model_file)
    threads, *results = zip(*map(str.split, done.stdout.splitlines()), strict=True)
    assert threads == ("1", "3", "4")
    assert all(len(set(same)) == 1 for same in results)
    warnings = re.findall(r"(\d) of 4 threads do the work, since the system refuses to create more", done.stderr)
    assert warnings == ["1", "3"]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of Python 3.12, about other threads
@pytest.mark.parametrize("threads", [1, 3])
def test_a_fork_during_an_evaluation(deep_model_file, threads):
    """With one calculator in both processes, and with a copy of it, which shares the model."""
    calculator = MLPotCalculator(deep_model_file, engine="native", threads=threads)
    calculators = calculator, copy.copy(calculator)
    atoms = bulk("Si", cubic=True).repeat(2)
    atoms.rattle(0.1, seed=0)
    expected = calculator.get_forces(atoms)
    stop = threading.Event()

    def compute():
        other = atoms.copy()
        while not stop.is_set():
            other.positions[0] += 0.01
            calculator.get_forces(other)

    def is_right():
        return all(np.array_equal(each.get_forces(atoms), expected) for each in calculators)

    thread = threading.Thread(target=compute)
    thread.start()
    try:
        outcomes = [in_a_fork(is_right) for _ in range(12)]
    finally:
        stop.set()
        thread.join()
    assert outcomes == [True] * 12
    assert is_right()


def in_a_fork(check, seconds=20.0):
    """Whether a check is true in a forked process, within some time."""
    process = multiprocessing.get_context("fork").Process(target=lambda: os._exit(0 if check() else 1))
    process.start()
    process.join(seconds)
    process.kill()
    process.join()
    return process.exitcode == 0
