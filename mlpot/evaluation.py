"""Errors of a model on labelled data.

Data flow: labelled structures -> batches -> `Engine` -> running sums -> `Evaluation`. Only one batch is in memory at a
time, so data sets on disk may have any size. `mlpot evaluate` prints the result (`mlpot.cli`).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from ase.data import chemical_symbols
from numpy.typing import NDArray

from mlpot.data import LabelledStructure
from mlpot.engines.interface import Engine
from mlpot.errors import DataError
from mlpot.training.scoring import LabelPairs

FloatArray = NDArray[np.float64]

BATCH_ATOMS = 256
"""Largest number of atoms that are evaluated together, unless one structure has more."""

PLOTTED = 20_000
"""Largest number of values of each label in parity plots, selected at random."""

ALL = "all"


@dataclass(frozen=True)
class ErrorSummary:
    """Errors of one kind of label: eV/atom for energies, eV/A for force components, eV/A^3 for stress components.

    Attributes
    ----------
    n_values : int
    rmse, mae, maximum : float
        Root mean square, mean absolute and largest absolute error.
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
        components) -> `ErrorSummary`; only labels that occur.
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
        """Plain data, without the sample."""
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
    """Random sample of the rows of a stream: those with the smallest random keys."""

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
    """Running sums over a stream of structures."""

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
    engine: Engine,
    structures: Iterable[LabelledStructure],
    *,
    on_structures: Callable[[int], None] | None = None,
) -> Evaluation:
    """Compare a model with labels.

    Parameters
    ----------
    engine : Engine
    structures : iterable of LabelledStructure
        Some labels may be missing.
    on_structures : callable, optional
        Called with the number of structures done, batch by batch.

    Raises
    ------
    DataError
        No labels, an element that the model does not have, or a prediction that is not finite.

    Examples
    --------
    >>> from mlpot.data import read_structures
    >>> from mlpot.engines.opening import open_engine
    >>> from mlpot.model_file.registry import data_folder, find_potential
    >>> structures = read_structures(data_folder("Si-dft") / "test.extxyz.xz")
    >>> evaluation = evaluate_structures(open_engine(find_potential("Si-dft/fast")), structures)
    >>> evaluation.n_structures, round(evaluation.by_config_type["hot_solid"]["forces"].rmse, 3)  # eV/A
    (26, 0.028)
    """
    account = _Account()
    for batch in _batches(structures):
        _compare(engine, batch, account)
        if on_structures is not None:
            on_structures(account.n_structures)
    if not account.errors:
        raise DataError(f"{account.n_structures} structures without any energy, forces or stress: nothing to compare")
    return account.result()


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


def _compare(engine: Engine, batch: list[LabelledStructure], account: _Account) -> None:
    manifest = engine.manifest
    reference = dict(zip(manifest.atomic_numbers, manifest.reference_energies, strict=True))
    results = engine.compute_batch([structure.atoms for structure in batch])
    for structure, predicted in zip(batch, results, strict=True):
        numbers = structure.atoms.numbers
        n_atoms = len(numbers)
        if not (np.isfinite(predicted.energy) and np.isfinite(predicted.forces).all()):
            raise DataError(
                f"the prediction for structure {account.n_structures} is not finite: are atoms on top of each other?"
            )
        group = structure.config_type
        if structure.energy is not None and n_atoms:
            values = np.array([structure.energy, predicted.energy]) / n_atoms
            offset = sum(reference[z] for z in numbers) / n_atoms
            account.add("energy", group, values[:1], values[1:], offset)
        if structure.forces is not None and n_atoms:
            account.add("forces", group, structure.forces, predicted.forces)
            for z in np.unique(numbers):
                errors = (predicted.forces - structure.forces)[numbers == z]
                account.by_element.setdefault(int(z), _Tally()).add(errors)
        if structure.stress is not None:
            account.add("stress", group, structure.stress, -predicted.virial / structure.volume)
        account.n_structures += 1
        account.n_atoms += n_atoms
