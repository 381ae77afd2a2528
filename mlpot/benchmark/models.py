"""Potentials of mlpot to be timed: untrained ones, whose speed is that of trained ones of the same architecture."""

from collections.abc import Sequence
from pathlib import Path

import torch
from ase.data import atomic_numbers

from mlpot.config import PRESETS, ModelConfig
from mlpot.errors import ConfigError
from mlpot.model import Potential
from mlpot.model_file.torchscript import save_model

_ENERGY_SCALE = 0.1
"""eV; random forces of this size do not heat the atoms much while they are followed."""


def untrained_model(preset: str, elements: Sequence[str], neighbors: float, folder: Path) -> Path:
    """Write a potential with random weights, in mixed precision.

    Parameters
    ----------
    preset : str
    elements : sequence of str
    neighbors : float
        Mean number inside the cutoff.
    folder : Path

    Returns
    -------
    Path

    Raises
    ------
    ConfigError
        No such preset.
    """
    return write_untrained(preset_config(preset), elements, neighbors, folder / f"{preset}.pt")


def write_untrained(config: ModelConfig, elements: Sequence[str], neighbors: float, path: Path) -> Path:
    """Write a potential of any architecture with random weights, in mixed precision.

    Parameters
    ----------
    config : ModelConfig
    elements, neighbors
        As of `untrained_model`.
    path : Path

    Returns
    -------
    Path
    """
    numbers = [atomic_numbers[element] for element in elements]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        potential = Potential(config, numbers, [0.0] * len(numbers), _ENERGY_SCALE, max(neighbors, 1.0))
    save_model(path, potential.float(), training={"data": "none, random weights"})
    return path


def preset_config(preset: str) -> ModelConfig:
    """Architecture of a preset."""
    if preset not in PRESETS:
        raise ConfigError(f"`preset` must be one of {', '.join(PRESETS)}, got {preset!r}")
    return ModelConfig(**PRESETS[preset])
