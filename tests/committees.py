"""Untrained committees of both kinds."""

import torch

from mlpot.model import DeepCommittee
from mlpot.model.committee import shallow_committee
from potentials import random_potential


def random_shallow(n_members=2, seed=0, **fields):
    """Committee around `random_potential` with deviations of the size of its readouts."""
    potential = random_potential(seed=seed, **fields)
    generator = torch.Generator().manual_seed(seed)
    deviations = torch.randn(n_members, potential.descriptor_width, dtype=torch.float64, generator=generator)
    return shallow_committee(potential, 0.3 * deviations)


def random_deep(n_members=2, **fields):
    """Committee of potentials with different random weights."""
    return DeepCommittee([random_potential(seed=seed, **fields) for seed in range(n_members)])


COMMITTEES = {
    "shallow, one layer": random_shallow,
    "shallow, vector messages": lambda: random_shallow(n_layers=2),
    "deep, vector messages": lambda: random_deep(n_layers=2),
}
