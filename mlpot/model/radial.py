"""Radial basis and the smooth envelope that takes it to zero at the cutoff.

References
----------
Gasteiger et al., Directional Message Passing (ICLR 2020), eqs. 7 and 8.
"""

import math

import torch
from torch import Tensor, nn


def envelope(ratio: Tensor, power: int) -> Tensor:
    """Polynomial cutoff function: 1 at 0, and 0 from 1 on, where its first two derivatives are zero.

    Parameters
    ----------
    ratio : any shape
        Distance over cutoff.
    power : int
        The larger, the closer to the cutoff the function falls.

    Examples
    --------
    >>> envelope(torch.tensor([0.0, 0.5, 1.0, 2.0]), 6).tolist()
    [1.0, 0.85546875, 0.0, 0.0]
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
    """Bessel functions of a transformed distance, ``2 s sin(n pi x) / (n r)``, times the envelope.

    The distance transform ``x = (1 + a) r / (cutoff + a r)`` with ``a = distance_transform`` increases the resolution
    at bond lengths: for a = 1 it is two to three times that at the cutoff. The factor ``1 / n`` makes the model learn
    smooth functions of the distance first; ``s`` restores the sum of squares of the functions without it.
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
        x = (1.0 + self.distance_transform) * distance / (self.cutoff + self.distance_transform * distance)
        scale, frequencies = self.scale.to(distance.dtype), self.frequencies.to(distance.dtype)
        return scale * torch.sin(frequencies * x) / distance * decay
