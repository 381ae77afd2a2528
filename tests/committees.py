"""Untrained committees of both kinds."""

import numpy as np
import torch

from mlpot.model import DeepCommittee, ShallowCommittee, main_potential
from mlpot.model_file.feature_distance import FeatureDistance
from mlpot.model_file.manifest import Calibration, DistanceInfo, Scaling
from mlpot.model_file.torchscript import bundle_model
from potentials import random_potential


def random_shallow(n_members=2, seed=0, **fields):
    """Committee around `random_potential` with deviations of the size of its readouts."""
    potential = random_potential(seed=seed, **fields)
    generator = torch.Generator().manual_seed(seed)
    deviations = torch.randn(n_members, potential.descriptor_width, dtype=torch.float64, generator=generator)
    return ShallowCommittee(potential, 0.3 * deviations)


def random_deep(n_members=2, **fields):
    """Committee of potentials with different random weights."""
    return DeepCommittee([random_potential(seed=seed, **fields) for seed in range(n_members)])


COMMITTEES = {
    "shallow, one layer": random_shallow,
    "shallow, vector messages": lambda: random_shallow(n_layers=2),
    "deep, vector messages": lambda: random_deep(n_layers=2),
}


def save_calibrated(path, committee, seed=0, known=None, calibrated=True):
    """Write a committee with a random calibration (unless not `calibrated`) and feature distance; returns the latter.

    Elements but those of the indices in `known` were not in the training set.
    """
    rng = np.random.default_rng(seed)
    potential = main_potential(committee)
    n_species, width = len(potential.atomic_numbers), potential.descriptor_width
    whitening = np.tril(rng.normal(size=(n_species, width, width))) / width
    triangles = rng.normal(size=(n_species, 3, width * (width + 1) // 2)).astype(np.float32)
    triangles[0, 2] = 0.0  # an element with fewer clusters
    if known is not None:
        triangles[[index for index in range(n_species) if index not in known]] = 0.0
    means = rng.normal(size=(n_species, width)), rng.normal(size=(n_species, 3, width))
    distance = FeatureDistance(means[0], whitening, means[1], triangles / np.sqrt(width))
    scalings = [Scaling(scale=rng.uniform(0.5, 2.0, n).tolist(), levels=[], quantiles=[]) for n in (n_species, 1, 1)]
    scalings[0] = scalings[0].model_copy(update={"distance_limit": 0.8})
    parts = dict(zip(("forces", "energy", "stress"), scalings, strict=True))
    bundle = bundle_model(committee).with_distance(distance, DistanceInfo(n_structures=1, n_atoms=1, data_hash=None))
    if calibrated:
        bundle = bundle.with_calibration(Calibration(n_structures=1, n_forces=1, data_hash=None, **parts))
    bundle.save(path)
    return distance
