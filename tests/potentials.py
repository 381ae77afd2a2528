"""Untrained potentials of every architecture in the family."""

import torch

from mlpot.config import ModelConfig
from mlpot.model import Potential

ARCHITECTURES = {
    "one layer": {},
    "scalar messages": {"n_layers": 2, "message_lmax": 0},
    "vector messages": {"n_layers": 2},
    "tensor messages": {"n_layers": 2, "message_lmax": 2},
    "three layers": {"n_layers": 3, "vector_correlation": 3},
    "lmax 0": {"lmax": 0, "n_layers": 2},
    "lmax 1, shared": {"lmax": 1, "n_layers": 2, "species_embedding": 2},
    "shared, more radial functions": {"n_layers": 2, "species_embedding": 4, "n_radial_functions": 7},
    "lmax 4, correlation 2": {"lmax": 4, "correlation": 2},
    "lmax 6, tensors": {"lmax": 6, "correlation": 2, "n_layers": 2, "message_lmax": 2},
    "correlation 1": {"correlation": 1},
    "correlation 4": {"correlation": 4, "n_layers": 2},
    "no repulsion": {"zbl": False},
}


def random_potential(seed=0, atomic_numbers=(1, 8, 14), max_density=0.8, **fields):
    """Float64 potential with random weights, larger readouts than at the start of a training.

    The density gate of a few dozen atoms takes values of 1, 0 and between.
    """
    defaults = {"cutoff": 3.5, "lmax": 2, "n_channels": 6, "n_radial": 4, "message_channels": 3, "readout_width": 5}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        energies = [-10.0 * (1 + index) for index in range(len(atomic_numbers))]
        potential = Potential(ModelConfig(**(defaults | fields)), atomic_numbers, energies, 0.7, 12.0)
    for layer in potential.layers:
        layer.readout.data *= 10.0
        layer.max_density.fill_(max_density)
    return potential
