"""Densities beyond which the density gate closes (`model.density_gate`): from the largest ones of the training set."""

from typing import Final

import torch

from mlpot.model import Potential
from mlpot.model.density_gate import UNBOUNDED
from mlpot.training.batching import plan_evaluation
from mlpot.training.samples import SampleSet

LATER_MARGIN: Final = 2.0
"""Factor on the largest density of the training set in layers after the first.

The density of the first layer depends on distances alone: molecules at twice the temperature of the training set have
at most a quarter more, overlapping atoms several times as much. That of later layers is a square of sums of learned
messages: hot and twisted molecules have up to twice the largest value. With a margin in the first layer, too, silicon
loses energy under compression; with a larger one in later layers, dimers attract where atoms overlap
(research/extrapolation.md).
"""


@torch.no_grad()
def record_max_density(potential: Potential, samples: SampleSet, batch_atoms: int, device: torch.device) -> None:
    """Write the density up to which the gate of each element and layer is open into a trained potential.

    It is the largest one of the training set, after the first layer `LATER_MARGIN` times that.

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
    largest[1:] *= LATER_MARGIN
    for layer, own in zip(potential.layers, largest, strict=True):
        largest_limit = float(own.max()) or UNBOUNDED
        layer.max_density.copy_(torch.where(own > 0.0, own, largest_limit))  # type: ignore[operator]
