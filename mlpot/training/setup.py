"""Everything that a `Trainer` needs: samples, reference energies, scales, a potential with initial weights.

Data flow: configuration and `training_data` -> `TrainingSetup` -> `initial_potential` -> `trainer`.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from ase.data import chemical_symbols

from mlpot.config import TrainConfig, member_seed
from mlpot.data import (
    ReferenceEnergies,
    Subset,
    dataset_hash,
    elements_of,
    reference_energies,
    summarize,
)
from mlpot.errors import TrainingError
from mlpot.model import Potential
from mlpot.training.init_from import pretrained_potential, teacher_to_start_from
from mlpot.training.observer import TrainingObserver
from mlpot.training.samples import SampleSet, energy_scale
from mlpot.training.training_data import Structures, TrainingData

_NO_STRESSES = (
    "no periodic structure has a stress: with tensors in messages (model.message_lmax: 2) forces may be right and the "
    "bulk modulus of a crystal far off; compare `mlpot properties`, or distil models with vectors on "
    "strained cells (training.distill.strain)"
)


@dataclass(frozen=True)
class TrainingSetup:
    """Data of a run as samples, with reference energies and scales.

    Attributes
    ----------
    atomic_numbers : list of int
    references : ReferenceEnergies
    train : SampleSet
    validation, test : SampleSet or None
    scale : float, eV/A
        See `samples.energy_scale`.
    average_neighbors : float
        Of the whole training set, like `scale` and `references`, also where a member is trained on a bootstrap sample.
    pretrained : Potential or None
        Initial weights instead of random ones.
    hashes : dict of split to str or None
        Of the contents of the training and validation parts, and of pseudo-labels where there are some.
    summary : dict
        Content of the training part, for the manifest.
    """

    atomic_numbers: list[int]
    references: ReferenceEnergies
    train: SampleSet
    validation: SampleSet | None
    test: SampleSet | None
    scale: float
    average_neighbors: float
    pretrained: Potential | None
    hashes: dict[str, str | None]
    summary: dict[str, Any]


def prepare(
    config: TrainConfig,
    data: TrainingData,
    pseudo_labels: Structures | None = None,
    observer: TrainingObserver | None = None,
) -> TrainingSetup:
    """Turn the data of a run into samples, reference energies and scales.

    Parameters
    ----------
    config : TrainConfig
    data : TrainingData
    pseudo_labels : sequence of LabelledStructure, optional
        Structures with labels of teachers, trained on in addition.
    observer : TrainingObserver, optional

    Raises
    ------
    DataError
        Unusable data; see `mlpot.data`.
    TrainingError
        No structure, label or neighbor to train on.
    """
    observer = observer or TrainingObserver()
    train, validation = data.train, data.validation
    atomic_numbers = elements_of(train)
    pretrained = _pretrained(config, atomic_numbers, observer)
    references = _references(config, train, atomic_numbers, pretrained)
    observer.message(references)
    if _leaves_bulk_modulus_open(config, train):
        observer.message(_NO_STRESSES)
    train_set = _sample_set(train, atomic_numbers, config)
    _refuse_empty(train_set)
    scale = energy_scale(train_set, references.values.tolist())
    average_neighbors = train_set.average_neighbors
    train_set = _bootstrapped(train_set, config)
    hashes = {"train": dataset_hash(train), "validation": None if validation is None else dataset_hash(validation)}
    if pseudo_labels is not None:
        train_set = _sample_set([*train_set.structures, *pseudo_labels], atomic_numbers, config)
        hashes["pseudo_labels"] = dataset_hash(pseudo_labels)
    return TrainingSetup(
        atomic_numbers=atomic_numbers,
        references=references,
        train=train_set,
        validation=None if validation is None else _sample_set(validation, atomic_numbers, config),
        test=None if data.test is None else _sample_set(data.test, atomic_numbers, config),
        scale=scale,
        average_neighbors=average_neighbors,
        pretrained=pretrained,
        hashes=hashes,
        summary=summarize(train).as_dict(),
    )


def _leaves_bulk_modulus_open(config: TrainConfig, train: Structures) -> bool:
    """Whether a model with tensors is trained without stresses and without strained cells labelled by teachers."""
    distill = config.training.distill
    if config.model.n_layers == 1 or config.model.message_lmax < 2 or (distill is not None and distill.strain > 0.0):
        return False
    found = False
    for structure in train:
        if structure.atoms.pbc.all():
            found = True
            if structure.stress is not None:
                return False
    return found


def initial_potential(config: TrainConfig, setup: TrainingSetup, device: torch.device) -> Potential:
    """Potential with random weights from the run's seed, or with pretrained ones; the global random state is kept."""
    dtype = torch.float64 if config.training.precision == "float64" else torch.float32
    if setup.pretrained is not None:
        return copy.deepcopy(setup.pretrained).to(device=device, dtype=dtype)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(member_seed(config.training))
        potential = Potential(
            config.model.architecture(len(setup.atomic_numbers)),
            setup.atomic_numbers,
            setup.references.values.tolist(),
            energy_scale=setup.scale,
            average_neighbors=setup.average_neighbors,
        )
    return potential.to(device=device, dtype=dtype)


def _pretrained(config: TrainConfig, atomic_numbers: Sequence[int], observer: TrainingObserver) -> Potential | None:
    training, architecture = config.training, config.model.architecture(len(atomic_numbers))
    if training.init_from is not None:
        return pretrained_potential(training.init_from, architecture, atomic_numbers)
    if training.distill is None:
        return None
    found = teacher_to_start_from(training.distill.teachers, architecture, atomic_numbers)
    origin = (
        "random weights: no teacher has the architecture of `model`" if found is None else "the weights of a teacher"
    )
    observer.message(f"training begins from {origin}")
    return found


def _references(
    config: TrainConfig, train: Structures, atomic_numbers: Sequence[int], pretrained: Potential | None
) -> ReferenceEnergies:
    chosen = config.data.reference_energies
    if pretrained is not None:  # its weights belong to its references
        symbols = [chemical_symbols[number] for number in atomic_numbers]
        chosen = dict(zip(symbols, pretrained.reference_energies.tolist(), strict=True))
    if isinstance(chosen, dict):
        return reference_energies(train, atomic_numbers, given=dict(chosen.items()), method="given")
    return reference_energies(train, atomic_numbers, method=chosen)


def _sample_set(structures: Structures, atomic_numbers: Sequence[int], config: TrainConfig) -> SampleSet:
    """Make samples of all structures but isolated atoms, whose energy is the reference energy by construction."""
    kept = [index for index, structure in enumerate(structures) if not structure.is_isolated_atom]
    return SampleSet(Subset(structures, kept), atomic_numbers, config.model.cutoff, config.data.in_memory)


def _bootstrapped(train: SampleSet, config: TrainConfig) -> SampleSet:
    """Draw as many structures as there are, with repetition, for a member of a committee with bootstrap."""
    committee = config.training.committee
    if committee is None or not committee.bootstrap or committee.member is None:
        return train
    drawn = np.random.default_rng(member_seed(config.training)).integers(len(train), size=len(train))
    return SampleSet(
        Subset(train.structures, drawn.tolist()), train.atomic_numbers, train.cutoff, config.data.in_memory
    )


def _refuse_empty(train: SampleSet) -> None:
    if not len(train):
        raise TrainingError("the training data hold isolated atoms only: add structures with neighbors")
    if not any(train.counts):
        raise TrainingError("no structure of the training data has an energy, forces or stress: name their keys")
    if train.average_neighbors == 0.0:
        raise TrainingError("no atom of the training data has a neighbor inside the cutoff: increase model.cutoff")
