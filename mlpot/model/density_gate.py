"""Density gate: factor that switches off later layers where the local density is far above that of the training set.

    g_i = 1 - b^4 (35 - 84 b + 70 b^2 - 20 b^3),    b = log(q_i / Q) / log(4), clamped between 0 and 1

with q_i the mean square of the mixed density of the atom and Q the limit of its element, which training records
(`training.max_density`): 1 up to Q, 0 beyond 4 Q, with three continuous derivatives.

A layer is a polynomial of the third degree, so two of them are one of the ninth: without the gate the energy of later
layers would diverge where atoms are far closer than in the training set. The first layer extrapolates smoothly.
"""

import math
from typing import Final

from torch import Tensor

UNBOUNDED: Final = 1e30
"""Maximum density of a model without gate; finite, as required for numbers in a file."""


def mean_square(density: Tensor) -> Tensor:
    """Mean over the channels of the squares of a mixed density ``((lmax + 1)^2, n_centers, n_channels)``."""
    return density.square().sum(0).mean(1)


def density_gate(density: Tensor, max_density: Tensor) -> Tensor:
    """Gate of each atom.

    Parameters
    ----------
    density : (n_centers,)
        Mean square of the mixed density.
    max_density : (n_centers,)
        Limit of the element, up to which the gate is open.

    Returns
    -------
    gate : (n_centers,)
        Between 0 and 1.
    """
    b = (density / max_density).clamp(1.0, 4.0).log() / math.log(4.0)
    return 1.0 - b * b * b * b * (35.0 - b * (84.0 - b * (70.0 - 20.0 * b)))
