"""Labelled structures as tensors: neighbor lists are made once here and reused in every epoch.

Data flow: ASE atoms with labels (`mlpot.data`) -> `SampleSet` -> `batching` picks indices -> `collate_samples`
joins them -> `loss` compares with the prediction.
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mlpot.data.structure import LabelledStructure
from mlpot.errors import DataError
from mlpot.model.graph import Graph, collate
from mlpot.neighbors.matscipy import graph_from_atoms, species_of

# Labels below this (eV/A, eV) are noise, which must not become the scale of the model.
_SMALLEST_SCALE = 1e-6


class Sample(NamedTuple):
    """One labelled structure, or a batch of them. A missing label is zero and its `has_` entry is zero.

    Attributes
    ----------
    graph : Graph
    n_atoms : (n_structures,), float64
    volume : (n_structures,), float64, A^3
        1 where there is no stress.
    weight : (n_structures,), float64
        Factor on the structure's part of the loss.
    energy : (n_structures,), float64, eV
    forces : (n_atoms, 3), float64, eV/A
    virial : (n_structures, 3, 3), float64, eV
        ``-stress * volume``.
    has_energy, has_forces, has_virial : (n_structures,), float64
        1 where the label is there, else 0.
    """

    graph: Graph
    n_atoms: Tensor
    volume: Tensor
    weight: Tensor
    energy: Tensor
    forces: Tensor
    virial: Tensor
    has_energy: Tensor
    has_forces: Tensor
    has_virial: Tensor

    def to(self, device: torch.device) -> "Sample":
        """Copy of the batch on `device`; itself if it is already there."""
        if self.energy.device == device:
            return self
        return Sample(self.graph.to(device), *(tensor.to(device) for tensor in self[1:]))


def sample_from(structure: LabelledStructure, graph: Graph) -> Sample:
    """Pack one structure with the labels that it has."""
    n_atoms = len(structure.atoms)
    flags = [_column(float(label is not None)) for label in (structure.energy, structure.forces, structure.stress)]
    forces, virial = torch.zeros(n_atoms, 3, dtype=torch.float64), torch.zeros(1, 3, 3, dtype=torch.float64)
    if structure.forces is not None:
        forces = torch.tensor(structure.forces)
    if structure.stress is not None:
        virial = torch.tensor(-structure.stress * structure.volume)[None]
    return Sample(
        graph=graph,
        n_atoms=_column(n_atoms),
        volume=_column(structure.volume if structure.stress is not None else 1.0),
        weight=_column(structure.weight),
        energy=_column(structure.energy or 0.0),
        forces=forces,
        virial=virial,
        has_energy=flags[0],
        has_forces=flags[1],
        has_virial=flags[2],
    )


def _column(value: float) -> Tensor:
    return torch.tensor([value], dtype=torch.float64)


def collate_samples(samples: Sequence[Sample]) -> Sample:
    """Join samples into one batch."""
    joined = [torch.cat(tensors) for tensors in zip(*(sample[1:] for sample in samples), strict=True)]
    return Sample(collate([sample.graph for sample in samples]), *joined)


class LabelCounts(NamedTuple):
    """Number of labelled quantities: energies, force components, virial components."""

    energy: float
    forces: float
    stress: float


class SampleSet:
    """Structures of one split as samples, and their statistics.

    Parameters
    ----------
    structures : sequence of LabelledStructure
        May read from disk at each access.
    atomic_numbers : sequence of int
        The model's elements.
    cutoff : float, A
    in_memory : bool
        Keep the samples; otherwise each is made again whenever it is needed.

    Attributes
    ----------
    n_atoms : (n_samples,), int64
    counts : LabelCounts
        Labels of the whole set.
    average_neighbors : float
        Mean number of neighbors of an atom inside the cutoff.
    rms_force : float, eV/A
        Over the labelled components; 0 where there are none.

    Raises
    ------
    DataError
        What `neighbors.graph_from_atoms` refuses; the structure is named.
    """

    def __init__(
        self,
        structures: Sequence[LabelledStructure],
        atomic_numbers: Sequence[int],
        cutoff: float,
        in_memory: bool = True,
    ) -> None:
        self.structures = structures
        self.atomic_numbers = list(atomic_numbers)
        self.cutoff = cutoff
        self._kept: list[Sample] = []
        sizes, energies, forces, stresses, edges, squares = [], 0.0, 0.0, 0.0, 0, 0.0
        for index in range(len(structures)):
            sample = self._make(index)
            if in_memory:
                self._kept.append(sample)
            sizes.append(int(sample.n_atoms))
            energies += float(sample.has_energy)
            forces += 3.0 * float(sample.has_forces * sample.n_atoms)
            stresses += 9.0 * float(sample.has_virial)
            edges += sample.graph.edge_index.shape[1]
            squares += float(sample.forces.square().sum())
        self.n_atoms = np.array(sizes, dtype=np.int64)
        self.counts = LabelCounts(energies, forces, stresses)
        self.average_neighbors = edges / max(1, int(self.n_atoms.sum()))
        self.rms_force = math.sqrt(squares / forces) if forces else 0.0

    def __len__(self) -> int:
        return len(self.structures)

    def batch(self, indices: Iterable[int]) -> Sample:
        """Batch of the samples at `indices`."""
        if self._kept:
            return collate_samples([self._kept[index] for index in indices])
        return collate_samples([self._make(index) for index in indices])

    def _make(self, index: int) -> Sample:
        structure = self.structures[index]
        try:
            graph = graph_from_atoms(structure.atoms, self.atomic_numbers, self.cutoff)
        except DataError as error:
            raise DataError(f"structure {index} ({structure.atoms.get_chemical_formula()}): {error}") from error
        return sample_from(structure, graph)


def energy_scale(train: SampleSet, reference_energies: Sequence[float]) -> float:
    """Scale of the interaction: rms force component, or spread of the energy per atom where no forces are labelled.

    Parameters
    ----------
    train : SampleSet
    reference_energies : (n_species,), eV

    Returns
    -------
    float
        eV/A (or eV); 1 if every label is zero.
    """
    scale = train.rms_force
    if train.counts.forces == 0.0:
        references = np.asarray(reference_energies)
        deviations = []
        for structure in train.structures:
            if structure.energy is not None:
                species = species_of(structure.atoms, train.atomic_numbers)
                deviations.append((structure.energy - references[species].sum()) / len(species))
        scale = float(np.std(deviations)) if deviations else 0.0
    return scale if scale > _SMALLEST_SCALE else 1.0
