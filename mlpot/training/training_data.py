"""Data of a run, read once and divided into its parts.

Data flow: files or structures in memory -> `TrainingData` -> `distillation` (pseudo-labels), `setup` (samples),
`committee` (shallow committees, feature distance, calibration).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ase import Atoms

from mlpot.config import DataConfig, TrainConfig
from mlpot.data import LabelledStructure, Subset, read_structures, split
from mlpot.errors import ConfigError
from mlpot.training.observer import TrainingObserver

Structures = Sequence[LabelledStructure]


class TrainingData(NamedTuple):
    """Parts of the data of a run.

    Attributes
    ----------
    train : sequence of LabelledStructure
    validation, test : sequence of LabelledStructure or None
    """

    train: Structures
    validation: Structures | None
    test: Structures | None


def read_training_data(
    config: TrainConfig,
    structures: Sequence[Atoms] | None = None,
    *,
    validation: Sequence[Atoms] | None = None,
    test: Sequence[Atoms] | None = None,
    observer: TrainingObserver | None = None,
) -> TrainingData:
    """Read the data of a run and divide them.

    Parameters
    ----------
    config : TrainConfig
    structures, validation, test : sequence of ase.Atoms, optional
        Instead of the files in ``data.train``, ``data.validation`` and ``data.test``.
    observer : TrainingObserver, optional
        Receives the origin of the labels.

    Raises
    ------
    ConfigError
        No training data.
    DataError
        Unusable data; see `mlpot.data.read_structures`.
    """
    data, observer = config.data, observer or TrainingObserver()
    if structures is None and not data.train:
        raise ConfigError("no training data: set `data.train`, or pass structures to `mlpot.training.train`")
    whole = _read(data, data.train if structures is None else structures, observer)
    held_out = data.test if test is None else test
    tested = None if held_out is None else _read(data, held_out, observer)
    if validation is not None:
        return TrainingData(whole, _read(data, validation, observer), tested)
    fraction = data.validation
    if not isinstance(fraction, float):
        return TrainingData(whole, _read(data, fraction, observer), tested)
    if fraction == 0.0:
        return TrainingData(whole, None, tested)
    fractions = {"train": 1.0 - fraction, "validation": fraction}
    parts = split(whole, fractions, config.training.seed, data.split_by)
    return TrainingData(Subset(whole, parts["train"]), Subset(whole, parts["validation"]), tested)


def _read(data: DataConfig, source: Sequence[Path | Atoms], observer: TrainingObserver) -> Structures:
    sources = [str(one) if isinstance(one, Path) else one for one in source]
    structures = read_structures(
        sources[0] if len(sources) == 1 else sources,
        energy_key=data.energy_key,
        forces_key=data.forces_key,
        stress_key=data.stress_key,
        virial_key=data.virial_key,
        group_key=data.group_key,
        required=data.required,
    )
    files = [str(one) for one in source if isinstance(one, Path)]
    observer.message(f"{', '.join(files) or f'{len(structures)} structures in memory'}:")
    observer.message(structures.report)
    return structures
