"""Errors of a model on labelled data: `mlpot evaluate`.

Data flow: `data.read_structures` -> batches -> `engine` (native or torch) -> running sums -> `Evaluation`. One batch is
in memory at a time, so that the size of a data set that lives on disk does not matter.
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase.data import chemical_symbols
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from mlpot.data import LabelledStructure, read_structures
from mlpot.engines.native import NativeModel, engine_description, open_model
from mlpot.errors import DataError
from mlpot.model import Prediction
from mlpot.model.graph import Graph, collate
from mlpot.model_file.manifest import Precision
from mlpot.model_file.torchscript import LoadedModel
from mlpot.neighbors.matscipy import graph_from_atoms
from mlpot.running.progress import progress_bar
from mlpot.training.plots import plot_parity
from mlpot.training.scoring import LabelPairs
from mlpot.uncertainty.collection import collect_errors
from mlpot.uncertainty.command import judge, quality_as_dict, quality_table
from mlpot.uncertainty.plots import plot_reliability
from mlpot.uncertainty.quality import ForceQuality

FloatArray = NDArray[np.float64]

BATCH_ATOMS = 256
"""Structures are evaluated together up to this number of atoms."""

PLOTTED = 20_000
"""Parity plots of larger sets show a random choice of this many values of each label."""

ALL = "all"


@dataclass(frozen=True)
class ErrorSummary:
    """Errors of one kind of label: eV/atom for energies, eV/A for force components, eV/A^3 for stress components.

    Attributes
    ----------
    n_values : int
    rmse, mae, maximum : float
        Root of the mean square, mean of the size, largest size.
    """

    n_values: int
    rmse: float
    mae: float
    maximum: float


@dataclass(frozen=True)
class Evaluation:
    """Errors of a model on a data set.

    Attributes
    ----------
    n_structures, n_atoms : int
    by_config_type : dict
        ``all`` or config_type -> ``energy`` (eV/atom), ``forces`` (eV/A, components), ``stress`` (eV/A^3,
        components) -> `ErrorSummary`; labels that do not occur are left out.
    by_element : dict
        Element -> `ErrorSummary` of its force components, eV/A.
    sample : LabelPairs
        Labels and predictions for plots, at most `PLOTTED` of each kind.
    """

    n_structures: int
    n_atoms: int
    by_config_type: dict[str, dict[str, ErrorSummary]]
    by_element: dict[str, ErrorSummary]
    sample: LabelPairs

    def as_dict(self) -> dict[str, Any]:
        """Plain data, without the sample.

        Returns
        -------
        dict
        """
        return {
            "units": {"energy": "eV/atom", "forces": "eV/A", "stress": "eV/A^3"},
            "n_structures": self.n_structures,
            "n_atoms": self.n_atoms,
            "by_config_type": {
                name: {label: asdict(errors) for label, errors in labels.items()}
                for name, labels in self.by_config_type.items()
            },
            "by_element": {element: asdict(errors) for element, errors in self.by_element.items()},
        }


class _Tally:
    """Running sums of errors."""

    def __init__(self) -> None:
        self.n = 0
        self.squares = self.sizes = self.maximum = 0.0

    def add(self, errors: FloatArray) -> None:
        self.n += errors.size
        self.squares += float(np.sum(errors**2))
        self.sizes += float(np.sum(np.abs(errors)))
        self.maximum = max(self.maximum, float(np.abs(errors).max(initial=0.0)))

    def summary(self) -> ErrorSummary:
        return ErrorSummary(self.n, float(np.sqrt(self.squares / self.n)), self.sizes / self.n, self.maximum)


class _Sample:
    """Uniform random choice of rows out of a stream: those with the smallest random keys."""

    def __init__(self) -> None:
        self._rng = np.random.default_rng(0)
        self._rows: FloatArray = np.zeros((0, 3))

    def add(self, pairs: FloatArray) -> None:
        self._rows = np.concatenate([self._rows, np.column_stack([self._rng.random(len(pairs)), pairs])])
        if len(self._rows) > 2 * PLOTTED:
            self._rows = self.kept()

    def kept(self) -> FloatArray:
        if len(self._rows) <= PLOTTED:
            return self._rows
        return self._rows[np.argpartition(self._rows[:, 0], PLOTTED)[:PLOTTED]]


class _Account:
    """Everything that is summed up while structures stream by."""

    def __init__(self) -> None:
        self.n_structures = self.n_atoms = 0
        self.errors: dict[tuple[str, str], _Tally] = {}
        self.by_element: dict[int, _Tally] = {}
        self.samples = {label: _Sample() for label in ("energy", "forces", "stress")}

    def add(
        self, label: str, config_type: str, reference: FloatArray, predicted: FloatArray, offset: float = 0
    ) -> None:
        errors = predicted - reference
        for group in (ALL, config_type):
            self.errors.setdefault((group, label), _Tally()).add(errors)
        self.samples[label].add(np.column_stack([reference.ravel() - offset, predicted.ravel() - offset]))

    def result(self) -> Evaluation:
        by_config_type: dict[str, dict[str, ErrorSummary]] = {}
        for (group, label), tally in sorted(self.errors.items(), key=lambda item: (item[0][0] != ALL, item[0])):
            by_config_type.setdefault(group, {})[label] = tally.summary()
        pairs = {label: torch.from_numpy(sample.kept()[:, 1:].copy()) for label, sample in self.samples.items()}
        elements = {chemical_symbols[z]: tally.summary() for z, tally in sorted(self.by_element.items())}
        return Evaluation(self.n_structures, self.n_atoms, by_config_type, elements, LabelPairs(**pairs))


def evaluate_structures(
    model: LoadedModel | NativeModel,
    structures: Iterable[LabelledStructure],
    *,
    on_structures: Callable[[int], None] | None = None,
) -> Evaluation:
    """Compare a model with labels.

    Parameters
    ----------
    model : LoadedModel or NativeModel
    structures : iterable of LabelledStructure
        Any number; labels may be missing, but not all of them.
    on_structures : callable, optional
        Called with the number of structures done, batch by batch.

    Returns
    -------
    Evaluation

    Raises
    ------
    DataError
        No labels at all, an element the model does not know, or a prediction that is not finite.
    """
    account = _Account()
    for batch in _batches(structures):
        _compare(model, batch, account)
        if on_structures is not None:
            on_structures(account.n_structures)
    if not account.errors:
        raise DataError(f"{account.n_structures} structures without any energy, forces or stress: nothing to compare")
    return account.result()


def evaluate_file(
    model: Path,
    data: Path,
    *,
    device: str = "cpu",
    precision: Precision | None = None,
    json_path: Path | None = None,
    plot: Path | None = None,
    console: Console | None = None,
) -> Evaluation:
    """Compare a model file with a data file, and print what came out.

    Parameters
    ----------
    model, data : Path
    device, precision
        As of `engine.open_model`.
    json_path : Path, optional
        Where to write `Evaluation.as_dict`.
    plot : Path, optional
        Where to draw predictions against labels, PNG; of a committee, ``*-reliability.png`` shows its error bars.
    console : rich.console.Console, optional

    Returns
    -------
    Evaluation
    """
    console = console or Console()
    loaded = open_model(model, None, device, precision)
    console.print(f"{model}: {engine_description(loaded)}", markup=False, highlight=False)
    structures = read_structures(data)
    console.print(structures.report)
    with progress_bar(console, "evaluate", len(structures)) as update:
        evaluation = evaluate_structures(loaded, structures, on_structures=lambda done: update(completed=done))
    console.print(evaluation_table(evaluation))
    quality = None if loaded.manifest.committee is None else _judge(loaded, structures, device, plot, console)
    if json_path is not None:
        content = {"model": str(model), "data": str(data)} | evaluation.as_dict()
        if quality is not None:
            known = quality_as_dict(quality)
            # JSON has no NaN, which a few atoms give.
            content["error_bars"] = {
                name: None if isinstance(value, float) and math.isnan(value) else value for name, value in known.items()
            }
        json_path.write_text(json.dumps(content, indent=1) + "\n")
    if plot is not None:
        plot_parity(evaluation.sample, plot, title=f"{model.name} on {data.name}")
    return evaluation


def _judge(
    model: LoadedModel | NativeModel,
    structures: Iterable[LabelledStructure],
    device: str,
    plot: Path | None,
    console: Console,
) -> ForceQuality | None:
    """Quality of the error bars of a committee, printed and drawn."""
    table = collect_errors(model, structures, device=device)
    calibration = model.manifest.calibration
    quality = judge(model.manifest, table)
    if calibration is None:
        console.print(
            "the committee is not calibrated: its spread is not an error bar. Calibrate it on data that it was not "
            "trained on: mlpot calibrate",
            highlight=False,
        )
        return None
    if quality is None:
        console.print("the data have no forces: error bars have nothing to be compared with", highlight=False)
        return None
    console.print(quality_table(quality, f"error bars of {quality.n_atoms} forces"))
    if plot is not None:
        path = plot.with_name(f"{plot.stem}-reliability.png")
        plot_reliability({"data": table}, calibration.forces, path, "reliability")
    return quality


def evaluation_table(evaluation: Evaluation) -> Table:
    """Table of all errors.

    Parameters
    ----------
    evaluation : Evaluation

    Returns
    -------
    rich.table.Table
    """
    title = f"errors on {evaluation.n_structures} structures, {evaluation.n_atoms} atoms"
    table = Table(
        title=title, caption="energy meV/atom, forces meV/A, stress meV/A^3; of components, prediction - label"
    )
    for name in ("", "label", "values", "RMSE", "MAE", "max"):
        table.add_column(name, justify="left" if name in ("", "label") else "right")
    single = len(evaluation.by_config_type) == 2  # "all" and one config_type with the same numbers
    for group, labels in evaluation.by_config_type.items():
        if single and group != ALL:
            continue
        for label, errors in labels.items():
            table.add_row(group, label, *_milli(errors))
        table.add_section()
    for element, errors in evaluation.by_element.items():
        table.add_row(element, "forces", *_milli(errors))
    return table


def _milli(errors: ErrorSummary) -> list[str]:
    return [str(errors.n_values), *(f"{1e3 * value:.4g}" for value in (errors.rmse, errors.mae, errors.maximum))]


def _batches(structures: Iterable[LabelledStructure]) -> Iterator[list[LabelledStructure]]:
    batch: list[LabelledStructure] = []
    n_atoms = 0
    for structure in structures:
        if batch and n_atoms + len(structure.atoms) > BATCH_ATOMS:
            yield batch
            batch, n_atoms = [], 0
        batch.append(structure)
        n_atoms += len(structure.atoms)
    if batch:
        yield batch


def _predict(model: LoadedModel | NativeModel, graph: Graph) -> Prediction:
    if isinstance(model, NativeModel):
        return model.evaluate(graph)
    return model.evaluate(graph.to(next(model.module.parameters()).device))


def _compare(model: LoadedModel | NativeModel, batch: list[LabelledStructure], account: _Account) -> None:
    manifest = model.manifest
    graph = collate([graph_from_atoms(one.atoms, manifest.atomic_numbers, manifest.cutoff) for one in batch])
    prediction = _predict(model, graph)
    energy, virial = prediction.energy.cpu().numpy(), prediction.virial.cpu().numpy()
    forces = prediction.forces.cpu().numpy()
    reference = dict(zip(manifest.atomic_numbers, manifest.reference_energies, strict=True))
    first = 0
    for k, structure in enumerate(batch):
        numbers = structure.atoms.numbers
        n_atoms = len(numbers)
        own = forces[first : first + n_atoms]
        first += n_atoms
        if not (np.isfinite(energy[k]) and np.isfinite(own).all()):
            raise DataError(
                f"the prediction for structure {account.n_structures} is not finite: are atoms on top of each other?"
            )
        group = structure.config_type
        if structure.energy is not None and n_atoms:
            values = np.array([structure.energy, energy[k]]) / n_atoms
            offset = sum(reference[z] for z in numbers) / n_atoms
            account.add("energy", group, values[:1], values[1:], offset)
        if structure.forces is not None and n_atoms:
            account.add("forces", group, structure.forces, own)
            for z in np.unique(numbers):
                account.by_element.setdefault(int(z), _Tally()).add((own - structure.forces)[numbers == z])
        if structure.stress is not None:
            account.add("stress", group, structure.stress, -virial[k] / structure.volume)
        account.n_structures += 1
        account.n_atoms += n_atoms
