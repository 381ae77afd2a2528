"""How far later layers hear an atom: in full where its density is like those of the training set, not at all beyond.

    f_i = 1 - b^4 (35 - 84 b + 70 b^2 - 20 b^3),    b = log(q_i / Q) / log(4), between 0 and 1

with q_i the mean square of its mixed density and Q the largest of its element in the training set: 1 up to Q, 0
beyond 4 Q, with three continuous derivatives.

Layers are polynomials of the third degree, so two of them make the ninth: where atoms are far closer than in any
structure of the training set, the energy of later layers would go anywhere. The first layer goes on smoothly.
"""

import math
from typing import Final

from torch import Tensor

UNBOUNDED: Final = 1e30
"""Largest density of a model that hears every atom; finite, as all numbers of a file must be."""


def mean_square(density: Tensor) -> Tensor:
    """Mean over the channels of the squares of a mixed density ``((lmax + 1)^2, n_centers, n_channels)``."""
    return density.square().sum(0).mean(1)


def density_gate(square: Tensor, largest: Tensor) -> Tensor:
    """Share ``(n_centers,)`` that is heard of each atom.

    Parameters
    ----------
    square : (n_centers,)
        Mean square of the mixed density.
    largest : (n_centers,)
        Largest mean square of the element in the training set.

    Returns
    -------
    share : (n_centers,)
    """
    b = (square / largest).clamp(1.0, 4.0).log() / math.log(4.0)
    return 1.0 - b * b * b * b * (35.0 - b * (84.0 - b * (70.0 - 20.0 * b)))
