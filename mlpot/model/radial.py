"""Radial basis and the smooth envelope that takes it to zero at the cutoff.

References
----------
Gasteiger et al., Directional Message Passing (ICLR 2020), eqs. 7 and 8.
"""

import math

import torch
from torch import Tensor, nn


def envelope(ratio: Tensor, power: int) -> Tensor:
    """Polynomial that falls from 1 at 0 to 0 at 1 with its first two derivatives zero there; 0 beyond.

    Parameters
    ----------
    ratio : any shape
        Distance over cutoff.
    power : int
        Larger values keep it near 1 for longer.
    """
    p = float(power)
    low = ratio.pow(power)
    polynomial = (
        1.0
        - 0.5 * (p + 1.0) * (p + 2.0) * low
        + p * (p + 2.0) * low * ratio
        - 0.5 * p * (p + 1.0) * low * ratio * ratio
    )
    return torch.where(ratio < 1.0, polynomial, torch.zeros_like(ratio))


class RadialBasis(nn.Module):
    """Bessel functions of a stretched distance, ``2 s sin(n pi x) / (n r)``, times the envelope.

    The distance_transform a, ``x = (1 + a) r / (cutoff + a r)``, gives them a higher resolution in bonds, with a = 1
    two to three times that at the cutoff, where what neighbors do changes slowly. They are of order one at
    bond lengths; ``s`` keeps their sum of squares that of functions without the ``1 / n``. That factor
    lets the model learn smooth functions of the distance first: at the same weights, a function that
    oscillates n times counts n times less.
    """

    frequencies: Tensor
    scale: Tensor

    def __init__(self, n_radial: int, cutoff: float, distance_transform: float, envelope_power: int) -> None:
        super().__init__()
        self.cutoff = cutoff
        self.distance_transform = distance_transform
        self.envelope_power = envelope_power
        frequencies = torch.arange(1, n_radial + 1, dtype=torch.float64) * math.pi
        self.register_buffer("frequencies", frequencies, persistent=False)
        decay = 1.0 / torch.arange(1, n_radial + 1, dtype=torch.float64)
        self.register_buffer("scale", 2.0 * decay * math.sqrt(n_radial) / decay.norm(), persistent=False)

    def forward(self, distance: Tensor) -> Tensor:
        """Basis ``(n_edges, n_radial)`` at distances ``(n_edges, 1)`` in A."""
        decay = envelope(distance / self.cutoff, self.envelope_power)
        stretched = (1.0 + self.distance_transform) * distance / (self.cutoff + self.distance_transform * distance)
        return self.scale * torch.sin(self.frequencies * stretched) / distance * decay
