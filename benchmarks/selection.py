r"""Labels saved by active selection, on labelled pools.

    python benchmarks/selection.py run Si_train.extxyz Si_test.extxyz --name "silicon, mlearn" \
        --set training.steps=3000 --set model.distance_transform=0
    python benchmarks/selection.py run train_mixedT.extxyz train_mixedT.extxyz --name "3BPA at 300, 600, 1200 K" \
        --preset balanced --first 10 --batch 15 --most 85 \
        --set training.steps=1500 --set model.distance_transform=2 --set model.cutoff=4
    python benchmarks/selection.py run li6ps5cl.extxyz li6ps5cl.extxyz --name "Li6PS5Cl, 600 K and other volumes" \
        --first 4 --batch 4 --most 16 --largest-test 32 --set training.steps=1500
    python benchmarks/selection.py run lips_1000.extxyz lips_1000.extxyz --name "LiPS, 520 K" \
        --first 10 --batch 10 --most 40 --set training.steps=1500
    python benchmarks/selection.py plot

Both methods begin with the same random structures and label one batch after another, at random or as `mlpot active`
selects. After each batch a potential is trained from random weights on all labels so far and scored on the test file.
Every line of `selection.csv` is a point of a curve and is computed once. The first file is the
pool, the second the test set; where they are one file, part of it is the test set. That of Li6PS5Cl is the 85 frames at
600 K and the 11 of other volumes.
"""

import csv
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import ase.io
import numpy as np
import typer
import yaml
from ase.calculators.singlepoint import SinglePointCalculator

from mlpot.active_learning.selection.greedy import Candidate, select_batch
from mlpot.calculator import load
from mlpot.config.train_file import read_train_config
from mlpot.data import LabelledStructure, read_structures
from mlpot.model_file.bundle import ModelBundle
from mlpot.neighbors.matscipy import species_of
from mlpot.plotting import new_figure, tidy
from mlpot.training import train
from mlpot.training.committee.assemble import attach

HERE = Path(__file__).parent
RESULTS = HERE / "selection.csv"
FIELDS = ("pool", "training", "method", "seed", "labels", "forces_rmse", "energy_rmse", "chosen")
METHODS = ("random", "active")

app = typer.Typer(add_completion=False)


@dataclass
class Case:
    """A pool, a test set, and how to go through the pool."""

    name: str
    pool: list
    test: list
    first: int
    batch: int
    most: int
    preset: str
    settings: list[str]

    @property
    def training(self) -> str:
        """Preset and settings of the training."""
        return ", ".join([self.preset, *self.settings])


@app.command()
def run(
    pool: Path,
    test: Path,
    name: str = "pool",
    seed: Annotated[list[int] | None, typer.Option(help="by default 0 to 4")] = None,
    first: int = 10,
    batch: int = 10,
    most: int = 60,
    preset: str = "fast",
    setting: Annotated[list[str] | None, typer.Option("--set", help="as for `mlpot train`")] = None,
    largest_pool: Annotated[int, typer.Option(help="structures of the pool that are used, drawn once")] = 400,
    largest_test: int = 100,
    results: Path = RESULTS,
) -> None:
    """Compute the missing points of all curves, seed by seed."""
    structures = _drawn(pool)
    if test == pool:  # a data set without a test file: part of it is left out of the pool
        tests, structures = structures[:largest_test], structures[largest_test:]
    else:
        tests = _drawn(test)[:largest_test]
    case = Case(name, structures[:largest_pool], tests, first, batch, most, preset, setting or [])
    if others := {row["training"] for row in _rows(results) if row["pool"] == name} - {case.training}:
        raise typer.BadParameter(f"{results} has {name} with {others}, not {case.training}: give another --name")
    for number in seed or range(5):
        for method in METHODS:
            _curve(case, method, number, results)


def _drawn(path: Path) -> list:
    """Structures of a file in random order, the same for all seeds."""
    structures = [one for one in read_structures(path) if not one.is_isolated_atom]
    return [structures[index] for index in np.random.default_rng(0).permutation(len(structures))]


def _curve(case: Case, method: str, seed: int, results: Path) -> None:
    known = {int(row["labels"]): row for row in _rows(results) if _key(row) == (case.name, method, seed)}
    order = np.random.default_rng(seed).permutation(len(case.pool)).tolist()
    chosen = order[: case.first]
    while True:
        with tempfile.TemporaryDirectory() as folder:
            # The last potential of a curve is needed for the next choice only.
            needed = method == "active" and len(chosen) + case.batch not in known and len(chosen) < case.most
            if len(chosen) not in known or needed:
                model, errors = _learn(case, chosen, seed, Path(folder))
                if len(chosen) not in known:
                    place = [case.name, case.training, method, seed, len(chosen)]
                    _append(results, [*place, *errors, " ".join(map(str, chosen))])
            if len(chosen) >= case.most:
                return
            following = known.get(len(chosen) + case.batch)
            if following is not None:
                chosen = [int(index) for index in following["chosen"].split()]
            elif method == "random":
                chosen = order[: len(chosen) + case.batch]
            else:
                chosen = chosen + _select(case, chosen, model)


def _learn(case: Case, chosen: list[int], seed: int, folder: Path) -> tuple[Path, tuple[str, str]]:
    """Train on the chosen structures; the committee's file and the errors on the test set."""
    parts = {"train": [case.pool[index] for index in chosen], "test": case.test}
    for name, structures in parts.items():
        ase.io.write(folder / f"{name}.extxyz", [_atoms(one) for one in structures], format="extxyz")
    values = {
        "data": {
            "train": str(folder / "train.extxyz"),
            "validation": 0.0,
            "test": str(folder / "test.extxyz"),
            "reference_energies": "least_squares_min_norm",
        },
        "model": {"preset": case.preset},
        "training": {"seed": seed},
        "run": {"output": str(folder / "run"), "device": "cpu", "threads": 1, "plots": False},
    }
    (folder / "train.yaml").write_text(yaml.safe_dump(values))
    config = read_train_config(folder / "train.yaml", case.settings)
    result = train(config)
    attach(ModelBundle.read(result.model), parts["train"], None, 8).save(result.model)
    errors = tuple(f"{result.test[key]:.2f}" for key in ("forces_rmse", "energy_rmse"))
    print(case.name, seed, len(chosen), *errors, flush=True)
    return result.model, errors


def _atoms(structure: LabelledStructure) -> ase.Atoms:
    atoms = structure.atoms.copy()
    atoms.info = {}
    labels = {"energy": structure.energy, "forces": structure.forces, "stress": structure.stress}
    atoms.calc = SinglePointCalculator(atoms, **{key: value for key, value in labels.items() if value is not None})
    return atoms


def _select(case: Case, chosen: list[int], model: Path) -> list[int]:
    """Choose as `mlpot active` does, with spreads that are not calibrated, since no data are held out."""
    calculator, distance = load(model, threads=1), ModelBundle.read(model).distance()
    numbers = calculator.manifest.atomic_numbers
    left = [index for index in range(len(case.pool)) if index not in set(chosen)]

    def features(atoms: ase.Atoms) -> np.ndarray:
        return distance.whitened(calculator.get_property("descriptors", atoms), species_of(atoms, numbers))

    pool = {number: [] for number in numbers}
    for index in chosen:
        atoms = case.pool[index].atoms
        known = features(atoms)
        for number in set(atoms.numbers.tolist()):
            pool[number].append(known[atoms.numbers == number])
    candidates = []
    for index in left:
        atoms = case.pool[index].atoms
        far = features(atoms)
        spread = calculator.get_property("forces_ensemble_std", atoms) * np.sqrt(np.linalg.norm(far, axis=1))
        candidates.append(Candidate(atoms, far, spread))
    known = {number: np.concatenate(blocks) for number, blocks in pool.items() if blocks}
    selection = select_batch(candidates, known, case.batch)
    return [left[index] for index in selection.chosen]


# --- results


def _rows(results: Path) -> list[dict[str, str]]:
    if not results.exists():
        return []
    with results.open(newline="") as file:
        return list(csv.DictReader(file))


def _key(row: dict[str, str]) -> tuple[str, str, int]:
    return row["pool"], row["method"], int(row["seed"])


def _append(results: Path, row: list) -> None:
    new = not results.exists()
    with results.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if new:
            writer.writerow(FIELDS)
        writer.writerow(row)


def _curves(rows: list[dict[str, str]], pool: str, method: str) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and errors of the seeds that got as far as the others: (n_seeds, n_points), meV/A."""
    seeds: dict[int, dict[int, float]] = {}
    for row in rows:
        if _key(row)[:2] == (pool, method):
            seeds.setdefault(int(row["seed"]), {})[int(row["labels"])] = float(row["forces_rmse"])
    longest = max(seeds.values(), key=len)
    whole = [curve for curve in seeds.values() if curve.keys() == longest.keys()]
    labels = sorted(longest)
    return np.array(labels), np.array([[curve[label] for label in labels] for curve in whole])


def labels_needed(labels: np.ndarray, errors: np.ndarray, target: float) -> float:
    """Labels at which a curve first reaches an error, linear between points; NaN where it never does."""
    for index, error in enumerate(errors):
        if error <= target:
            if index == 0:
                return float(labels[0])
            part = (errors[index - 1] - target) / (errors[index - 1] - error)
            return float(labels[index - 1] + part * (labels[index] - labels[index - 1]))
    return float("nan")


@app.command()
def plot(results: Path = RESULTS, target: Path = HERE.parent / "docs" / "selection.png") -> None:
    """Draw all pools, and print the labels that random and active selection require."""
    rows = _rows(results)
    pools = list(dict.fromkeys(row["pool"] for row in rows))
    rows_of_plots = (len(pools) + 1) // 2
    figure = new_figure(9.0, 3.4 * rows_of_plots)
    for place, pool in enumerate(pools):
        axes = figure.add_subplot(rows_of_plots, 2, place + 1)
        for method in METHODS:
            labels, errors = _curves(rows, pool, method)
            mean, deviation = errors.mean(axis=0), errors.std(axis=0)
            axes.plot(labels, mean, "o-", ms=3, label=f"{method}, seeds: {len(errors)}")
            axes.fill_between(labels, mean - deviation, mean + deviation, alpha=0.2)
            if method == "random":
                axes.plot(labels / 2, mean, "k:", lw=1, label="half of its labels")
        axes.set(title=pool, xlabel="labels", ylabel="force RMSE on the test set, meV/A", yscale="log")
        axes.yaxis.set_major_formatter("{x:.0f}")
        axes.yaxis.set_minor_formatter("{x:.0f}")
        axes.legend()
        tidy(axes)
        _print_savings(rows, pool)
    figure.savefig(target)


def _print_savings(rows: list[dict[str, str]], pool: str) -> None:
    (labels, random), (_, active) = (_curves(rows, pool, method) for method in METHODS)
    for n, goal in zip(labels, random.mean(axis=0), strict=True):
        needed = labels_needed(labels, active.mean(axis=0), goal)
        print(f"{pool}: random {n} labels, {goal:.1f} meV/A; active {needed:.0f} labels, {needed / n:.2f} of them")


if __name__ == "__main__":
    app()
