"""From a configuration to what the loop needs: data sets as samples, reference energies, an initialised potential.

Data flow: `mlpot.data` reads, splits and fits reference energies; the results go to `fit`.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase.data import chemical_symbols
from rich.console import Console

from mlpot.config import DataConfig, TrainConfig, member_seed
from mlpot.data import (
    LabelledStructure,
    ReferenceEnergies,
    StructureList,
    StructureStore,
    Subset,
    dataset_hash,
    elements_of,
    read_structures,
    reference_energies,
    split,
    summarize,
)
from mlpot.errors import TrainingError
from mlpot.model import Potential
from mlpot.training.distillation import taught_structures
from mlpot.training.init_from import starting_potential, teacher_to_start_from
from mlpot.training.samples import SampleSet, energy_scale

Structures = Sequence[LabelledStructure]

_NO_STRESSES = (
    "no periodic structure has a stress: with tensors in messages (model.message_lmax: 2) forces may be right and the "
    "bulk modulus of a crystal far off; compare `mlpot properties`, or let models with vectors teach this one on "
    "strained cells (training.distill.strain)"
)


@dataclass(frozen=True)
class TrainingSetup:
    """What is to be learned.

    Attributes
    ----------
    atomic_numbers : list of int
    references : ReferenceEnergies
    train : SampleSet
    validation, test : SampleSet or None
    scale : float, eV/A
        See `samples.energy_scale`.
    average_neighbors : float
        Like `scale` and `references` of the whole training set, also where a member sees a draw of it.
    start : Potential or None
        What training begins from instead of random weights.
    hashes : dict of split to str or None
        Content of the training and validation parts, and of what teachers labelled where there are some.
    summary : dict
        What the training part holds, for the manifest.
    """

    atomic_numbers: list[int]
    references: ReferenceEnergies
    train: SampleSet
    validation: SampleSet | None
    test: SampleSet | None
    scale: float
    average_neighbors: float
    start: Potential | None
    hashes: dict[str, str | None]
    summary: dict[str, Any]


def prepare(config: TrainConfig, console: Console | None) -> TrainingSetup:
    """Read and check the data of a run.

    Parameters
    ----------
    config : TrainConfig
    console : Console or None
        Where what was found is printed.

    Raises
    ------
    DataError
        Unusable data; see `mlpot.data`.
    TrainingError
        Nothing to learn from.
    """
    train, validation = training_parts(config, console)
    atomic_numbers = elements_of(train)
    start = _start(config, atomic_numbers, console)
    references = _references(config, train, atomic_numbers, start)
    if console is not None:
        console.print(references)
        if _leaves_bulk_modulus_open(config, train):
            console.print(_NO_STRESSES, highlight=False)
    train_set = _sample_set(train, atomic_numbers, config)
    _refuse_empty(train_set)
    scale = energy_scale(train_set, references.values.tolist())
    average_neighbors = train_set.average_neighbors
    train_set = _bootstrapped(train_set, config)
    hashes = {"train": dataset_hash(train), "validation": None if validation is None else dataset_hash(validation)}
    taught = taught_structures(config, train)
    if taught is not None:
        train_set = _sample_set([*train_set.structures, *taught], atomic_numbers, config)
        hashes["taught"] = dataset_hash(taught)
    test = None if config.data.test is None else _read(config.data, config.data.test, console)
    return TrainingSetup(
        atomic_numbers=atomic_numbers,
        references=references,
        train=train_set,
        validation=None if validation is None else _sample_set(validation, atomic_numbers, config),
        test=None if test is None else _sample_set(test, atomic_numbers, config),
        scale=scale,
        average_neighbors=average_neighbors,
        start=start,
        hashes=hashes,
        summary=summarize(train).as_dict(),
    )


def _leaves_bulk_modulus_open(config: TrainConfig, train: Structures) -> bool:
    """Whether a model with tensors has no stress to learn from, nor strained cells that teachers label."""
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


def initial_potential(config: TrainConfig, problem: TrainingSetup, device: torch.device) -> Potential:
    """Potential with weights drawn from the run's seed, or those that it begins from.

    The global random state is left as it was.
    """
    dtype = torch.float64 if config.training.precision == "float64" else torch.float32
    if problem.start is not None:
        return copy.deepcopy(problem.start).to(device=device, dtype=dtype)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(member_seed(config.training))
        potential = Potential(
            config.model.architecture(),
            problem.atomic_numbers,
            problem.references.values.tolist(),
            energy_scale=problem.scale,
            average_neighbors=problem.average_neighbors,
        )
    return potential.to(device=device, dtype=dtype)


def training_parts(config: TrainConfig, console: Console | None) -> tuple[Structures, Structures | None]:
    """Read the data of a run and divide them.

    Parameters
    ----------
    config : TrainConfig
    console : Console or None
        Where what was found is printed.

    Returns
    -------
    training : sequence of LabelledStructure
    validation : sequence of LabelledStructure or None
    """
    data = config.data
    structures = _read(data, data.train, console)
    if not isinstance(data.validation, float):
        return structures, _read(data, data.validation, console)
    if data.validation == 0.0:
        return structures, None
    fractions = {"train": 1.0 - data.validation, "validation": data.validation}
    parts = split(structures, fractions, config.training.seed, data.split_by)
    return Subset(structures, parts["train"]), Subset(structures, parts["validation"])


def _read(data: DataConfig, files: Sequence[Path], console: Console | None) -> StructureList | StructureStore:
    source = str(files[0]) if len(files) == 1 else [str(file) for file in files]
    structures = read_structures(
        source,
        energy_key=data.energy_key,
        forces_key=data.forces_key,
        stress_key=data.stress_key,
        virial_key=data.virial_key,
        group_key=data.group_key,
        required=data.required,
    )
    if console is not None:
        console.print(f"{', '.join(str(file) for file in files)}:", markup=False, highlight=False)
        console.print(structures.report)
    return structures


def _start(config: TrainConfig, atomic_numbers: Sequence[int], console: Console | None) -> Potential | None:
    training, architecture = config.training, config.model.architecture()
    if training.init_from is not None:
        return starting_potential(training.init_from, architecture, atomic_numbers)
    if training.distill is None:
        return None
    found = teacher_to_start_from(training.distill.teachers, architecture, atomic_numbers)
    if console is not None:
        begins = "random weights: no teacher has the architecture of `model`" if found is None else "a teacher"
        console.print(f"training begins from {begins}", highlight=False)
    return found


def _references(
    config: TrainConfig, train: Structures, atomic_numbers: Sequence[int], start: Potential | None
) -> ReferenceEnergies:
    chosen = config.data.reference_energies
    if start is not None:  # its weights belong to its references
        symbols = [chemical_symbols[number] for number in atomic_numbers]
        chosen = dict(zip(symbols, start.reference_energies.tolist(), strict=True))
    if isinstance(chosen, dict):
        return reference_energies(train, atomic_numbers, given=dict(chosen.items()), method="given")
    return reference_energies(train, atomic_numbers, method=chosen)


def _sample_set(structures: Structures, atomic_numbers: Sequence[int], config: TrainConfig) -> SampleSet:
    """Make samples of all structures but isolated atoms, whose energy is the reference energy by construction."""
    kept = [index for index, structure in enumerate(structures) if not structure.is_isolated_atom]
    return SampleSet(Subset(structures, kept), atomic_numbers, config.model.cutoff, config.data.in_memory)


def _bootstrapped(train: SampleSet, config: TrainConfig) -> SampleSet:
    """Draw as many structures as there are, with repetition, if a member of a committee is to see such a draw."""
    committee = config.training.committee
    if committee is None or not committee.bootstrap or committee.member is None:
        return train
    drawn = np.random.default_rng(member_seed(config.training)).integers(len(train), size=len(train))
    return SampleSet(
        Subset(train.structures, drawn.tolist()), train.atomic_numbers, train.cutoff, config.data.in_memory
    )


def _refuse_empty(train: SampleSet) -> None:
    if not len(train):
        raise TrainingError("the training data hold isolated atoms only: add structures to learn from")
    if not any(train.counts):
        raise TrainingError("no structure of the training data has an energy, forces or stress: name their keys")
    if train.average_neighbors == 0.0:
        raise TrainingError("no atom of the training data has a neighbour inside the cutoff: nothing to learn")
