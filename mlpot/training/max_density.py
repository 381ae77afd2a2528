"""Largest densities of the training set, beyond which the density gate closes (`model.density_gate`)."""

import torch

from mlpot.model import Potential
from mlpot.model.density_gate import UNBOUNDED
from mlpot.training.batching import plan_evaluation
from mlpot.training.samples import SampleSet


@torch.no_grad()
def record_max_density(potential: Potential, samples: SampleSet, batch_atoms: int, device: torch.device) -> None:
    """Write the largest density of each element into each layer of a trained potential.

    Parameters
    ----------
    potential : Potential
        Changed; its predictions for the samples are not.
    samples : SampleSet
        The training set. An element without neighbors in it takes the largest limit of the others.
    batch_atoms : int
        Largest number of atoms to evaluate at once.
    device : torch.device
    """
    if potential.n_layers == 1:
        return
    largest = torch.zeros(potential.n_layers, len(potential.atomic_numbers), dtype=torch.float64, device=device)
    for indices in plan_evaluation(samples.n_atoms, batch_atoms):
        graph = samples.batch(indices).to(device).graph
        squares = potential.describe(graph.species, graph.edge_index, graph.edge_vectors).densities.double()
        largest.scatter_reduce_(1, graph.species.expand(len(squares), -1), squares, "amax")
    for layer, own in zip(potential.layers, largest, strict=True):
        largest_limit = float(own.max()) or UNBOUNDED
        layer.max_density.copy_(torch.where(own > 0.0, own, largest_limit))  # type: ignore[operator]
