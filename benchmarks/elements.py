"""Cost of elements: time of an evaluation, and speed of a training, by number of elements.

    python benchmarks/elements.py [--presets fast accurate] [--rounds 15]

Weights are random: they decide nothing about the time. All structures are the same silicon crystal, with elements drawn
at random; all models are evaluated in turn, and the table has medians, relative to a model of silicon alone, and size
and loading time of the file. Trainings are steps of batches of about 30 atoms on small crystals of three elements each,
out of 3 or 85. Needs an idle processor.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import chemical_symbols
from lightning_fabric import Fabric

import mlpot
from mlpot.config import ModelSection, TrainConfig
from mlpot.model import Potential
from mlpot.model_file.torchscript import save_model
from mlpot.training.setup import initial_potential, prepare
from mlpot.training.trainer import Trainer
from mlpot.training.training_data import read_training_data

FIRST = (14, 6, 8, 1, 7, 9, 15, 16)
MANY = (*FIRST, *(z for z in range(2, 100) if z not in FIRST))
CELLS = 6  # along each axis: 1728 atoms
STEPS = 100  # of a training


class Case(NamedTuple):
    """A model of `known` elements that may share weights, and a structure of `present` ones."""

    preset: str
    known: int
    present: int
    shared: bool


def cases_of(preset: str) -> list[Case]:
    """All cases of a preset, the one that times are relative to first."""
    own = [Case(preset, n, n, shared=False) for n in (1, 2, 4, 8)]
    shared = [Case(preset, 85, n, shared=True) for n in (1, 2, 4, 8, 85)]
    return [*own, *shared, Case(preset, 118, 8, shared=True)]


def write_model(case: Case, path: Path) -> None:
    """Write a model with random weights."""
    section = ModelSection(preset=case.preset, species_embedding="auto" if case.shared else None, zbl=False)
    numbers = sorted(range(1, 119) if case.known == 118 else MANY[: case.known])
    torch.manual_seed(0)
    potential = Potential(section.architecture(case.known), numbers, [0.0] * case.known, 1.0, 28.0)
    save_model(path, potential.float())


def structure(present: int) -> Atoms:
    """Silicon with elements drawn at random."""
    atoms = bulk("Si", cubic=True) * (CELLS, CELLS, CELLS)
    rng = np.random.default_rng(0)
    atoms.numbers = rng.permutation(np.resize(MANY[:present], len(atoms)))
    atoms.rattle(0.05, seed=0)
    return atoms


class Timed:
    """A case with its calculator, and the times of its evaluations."""

    def __init__(self, case: Case, folder: Path) -> None:
        self.case = case
        path = folder / f"{case.preset}-{case.known}-{case.shared}.pt"
        if not path.exists():
            write_model(case, path)
        self.megabytes = path.stat().st_size / 1e6
        self.atoms = structure(case.present)
        began = time.perf_counter()
        self.atoms.calc = mlpot.load(path, threads=1)
        self.loading = time.perf_counter() - began
        self.times: list[float] = []

    def evaluate(self, seed: int) -> None:
        """Move all atoms a little, and measure an evaluation."""
        self.atoms.rattle(1e-4, seed=seed)
        began = time.perf_counter()
        self.atoms.get_forces()
        self.times.append(time.perf_counter() - began)

    def median(self) -> float:
        """Median time, us/atom."""
        return 1e6 * statistics.median(self.times) / len(self.atoms)


def training_set(n_elements: int) -> list[Atoms]:
    """Small crystals of three elements, with forces drawn at random."""
    rng = np.random.default_rng(0)
    structures = []
    for seed in range(4 * STEPS):
        atoms = bulk("Si", cubic=True)
        atoms.numbers = rng.choice(rng.choice(MANY[:n_elements], 3, replace=False), len(atoms))
        atoms.rattle(0.1, seed=seed)
        atoms.calc = SinglePointCalculator(atoms, energy=0.0, forces=rng.normal(size=(len(atoms), 3)))
        structures.append(atoms)
    return structures


class TimedTraining:
    """A training on one thread, out of a number of elements."""

    def __init__(self, preset: str, n_elements: int) -> None:
        config = TrainConfig(
            data={
                "train": "in memory",
                "validation": 0,
                "reference_energies": {chemical_symbols[z]: 0.0 for z in MANY[:n_elements]},
            },
            model={"preset": preset},
            training={"engine": "native"},
        )
        setup = prepare(config, read_training_data(config, training_set(n_elements)))
        potential = initial_potential(config, setup, torch.device("cpu"))
        self.trainer = Trainer(Fabric(accelerator="cpu"), config, potential, setup.train, None, setup.scale)
        self.batches = self.trainer.batches()
        self.times: list[float] = []

    def step(self, number: int) -> None:
        """Take a step, and measure it."""
        began = time.perf_counter()
        self.trainer.step(self.batches[number], stop=False)
        self.times.append(time.perf_counter() - began)

    def speed(self) -> float:
        """Atoms per second."""
        n_atoms = self.trainer.train.n_atoms
        return statistics.mean(int(n_atoms[indices].sum()) for indices in self.batches) / statistics.median(self.times)


def print_training(presets: list[str]) -> None:
    """Measure trainings, step by step in turn, and print a table."""
    torch.set_num_threads(1)
    print("\n| preset | 3 elements, atoms/s | 85 elements, atoms/s | ratio |")
    print("|---|---|---|---|")
    for preset in presets:
        few, many = TimedTraining(preset, 3), TimedTraining(preset, 85)
        for number in range(STEPS):
            few.step(number)
            many.step(number)
        print(f"| {preset} | {few.speed():.0f} | {many.speed():.0f} | {few.speed() / many.speed():.2f} |")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", default=["fast", "accurate"])
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for preset in arguments.presets:
            timed = [Timed(case, Path(folder)) for case in cases_of(preset)]
            for seed in range(arguments.rounds + 1):
                for one in timed:
                    one.evaluate(seed)
            for one in timed:
                one.times = one.times[1:]  # the first one makes neighbor lists
            print("| preset | elements of the model | of the structure | weights | us/atom | ratio | MB | loading, s |")
            print("|---|---|---|---|---|---|---|---|")
            for one in timed:
                case, ratio = one.case, one.median() / timed[0].median()
                print(
                    f"| {case.preset} | {case.known} | {case.present} | {'shared' if case.shared else 'own'} | "
                    f"{one.median():.2f} | {ratio:.2f} | {one.megabytes:.1f} | {one.loading:.2f} |"
                )
    print_training(arguments.presets)


if __name__ == "__main__":
    main()
