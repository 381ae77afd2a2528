"""What the members of a committee say, and where they differ; without torch.

`mlpot.model.committee` makes them.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlpot.config import ModelConfig

FloatArray = NDArray[np.float64]


class MembersAnswer(NamedTuple):
    """What the members of a committee say of one structure.

    Attributes
    ----------
    energy : (n_members,), eV
    forces : (n_members, n_atoms, 3), eV/A
    virial : (n_members, 3, 3), eV
    """

    energy: FloatArray
    forces: FloatArray
    virial: FloatArray


def last_weights(config: ModelConfig) -> dict[str, slice]:
    """Names of the last, linear weights of a potential, and their places among the descriptors.

    Parameters
    ----------
    config : ModelConfig

    Returns
    -------
    dict
    """
    width, n_layers = config.n_channels, config.n_layers
    places = {f"layers.{index}.readout": slice(index * width, (index + 1) * width) for index in range(n_layers)}
    name = f"layers.{n_layers - 1}.readout_network.2.weight"
    return {**places, name: slice(n_layers * width, n_layers * width + config.readout_width)}
