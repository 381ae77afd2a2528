"""Program of `test_failures`: every allocation of the native engine fails in turn.

    LD_PRELOAD=inject_failures.so python failing_allocations.py inject_failures.so most model.pt manifest tensors.npz

Each action is repeated with its first allocation failing, then the second, and so on, alone or with all that follow; of
more than `most` allocations, a part spread evenly. It must raise `MemoryError` or give the right result, and the next
call must give the right result. Prints the failures of each action.
"""

import ctypes
import sys
from pathlib import Path

import numpy as np
from ase.build import bulk
from mlpot._native import NativeEngine, NeighborList, Threads, Trainer


def main():
    library, most, model, manifest, tensors = sys.argv[1:]
    fails = Injection(library, int(most))
    content = Path(model).read_bytes()
    atoms = bulk("Si", cubic=True)
    atoms.rattle(0.1, seed=0)
    small, large = structure(atoms, 3.5), structure(atoms.repeat((2, 1, 1)), 20.0)
    for threads in (1, 3):
        for precision in ("mixed", "double"):

            def load(precision=precision, threads=threads):
                return NativeEngine(content, model, precision, threads)

            fails(f"load {precision} {threads}", lambda: None, lambda _: evaluate(load(), small))
            fails(f"evaluate {precision} {threads}", load, lambda engine: evaluate(engine, large))
        train(fails, (Path(manifest).read_bytes(), dict(np.load(tensors))), threads)


def structure(atoms, radius):
    """Species, positions, and the arguments of the search for neighbors within `radius`, A.

    Neighbors beyond the cutoff take memory, too.
    """
    species = np.arange(len(atoms), dtype=np.int32) % 2
    return species, atoms.positions, (atoms.positions, atoms.cell.array, (True,) * 3, radius)


def evaluate(engine, atoms):
    species, positions, search = atoms
    properties = ["atomic_virials", "member_forces", "neighborhood_distances", "descriptors"]
    return engine.evaluate(species, positions, NeighborList.search(*search), properties)


def train(fails, potential, threads):
    rng = np.random.default_rng(0)
    species = np.array([0, 1, 0], np.int32)
    first, neighbor = np.array([0, 2, 4, 6]), np.array([1, 2, 0, 2, 0, 1], np.int32)
    vectors = rng.uniform(-1.0, 1.0, (6, 3))
    rows = species, first, neighbor, vectors

    def make():
        return Trainer(*potential, "double", Threads(threads))

    tables = [rng.normal(size=size) for size in make().array_sizes]

    def step(trainer):
        energies, gradients = np.zeros(3), np.zeros((6, 3))
        trainer.fill(tables)
        trainer.evaluate(*rows, energies, gradients)
        results = [np.zeros(len(table)) for table in tables]
        trainer.differentiate(*rows, np.ones(3), vectors, results)
        return dict(enumerate([energies, gradients, *results]))

    fails(f"train {threads}", make, step)


class Injection:
    """Lets allocations of an action fail."""

    def __init__(self, library, most):
        self.library, self.most = ctypes.CDLL(library), most

    def __call__(self, name, make, action):
        expected = action(make())
        subject = make()
        self.start(0, -1)
        action(subject)
        total = self.library.n_allocations()
        failures = 0
        for first in np.unique(np.linspace(1, total, min(total, self.most)).astype(int)):
            for last in (first, sys.maxsize):
                subject = make()
                failures += self.attempt(action, subject, expected, (first, last))
                compare(action(subject), expected)
        print(f"{name}: {failures} failures in {total} allocations", flush=True)

    def attempt(self, action, subject, expected, failing):
        """Whether the action fails."""
        self.start(*failing)
        try:
            result = action(subject)
        except MemoryError:
            return True
        finally:
            self.start(0, -1)
        compare(result, expected)
        return False

    def start(self, first, last):
        self.library.count_allocations(ctypes.c_long(first), ctypes.c_long(last))


def compare(got, expected):
    for key, value in expected.items():
        np.testing.assert_array_equal(got[key], value)


if __name__ == "__main__":
    main()
