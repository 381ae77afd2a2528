"""Features of the edges, computed once per evaluation: spherical harmonics, radial basis, slot in the padded list."""

from typing import NamedTuple

import torch
from e3nn import o3
from torch import Tensor, nn

from mlpot.config import ModelConfig
from mlpot.model.radial import RadialBasis


class EdgeFeatures(NamedTuple):
    """Input of the sums over neighbors.

    Attributes
    ----------
    neighbor : (n_edges,), int64
        Index j of the neighbor.
    slot : (n_edges,), int64
        Row of the edge in the list that is padded to `n_slots` neighbors for each center.
    n_centers, n_slots : int
    harmonics : (n_edges, (lmax + 1)^2)
        Real spherical harmonics of the direction, with component normalization.
    radial : (n_edges, n_radial)
        Radial basis times the envelope.
    """

    neighbor: Tensor
    slot: Tensor
    n_centers: int
    n_slots: int
    harmonics: Tensor
    radial: Tensor


class EdgeEmbedding(nn.Module):
    """Makes `EdgeFeatures` in the dtype of the model from edge vectors in float64."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.radial = RadialBasis(config.n_radial, config.cutoff, config.distance_transform, config.envelope_power)
        self.harmonics = SphericalHarmonics(config.lmax)

    def forward(
        self, edge_index: Tensor, edge_vectors: Tensor, weights: Tensor | None, n_centers: int, like: Tensor
    ) -> EdgeFeatures:
        """Features of all edges, each multiplied by its weight ``(n_edges, 1)``; the dtype is that of `like`."""
        center, neighbor = edge_index[0], edge_index[1]
        if bool((center[1:] < center[:-1]).any()):
            raise ValueError(
                "`edge_index[0]` must be non-decreasing, got centers out of order: sort the edges by center"
            )
        count = torch.bincount(center, minlength=n_centers)
        first = torch.cumsum(count, 0) - count
        n_slots = int(count.max()) if center.numel() > 0 else 0
        slot = torch.arange(center.numel(), device=center.device) - first[center] + center * n_slots
        distance = edge_vectors.square().sum(1, keepdim=True).sqrt()
        direction = (edge_vectors / distance).to(like.dtype)
        radial = self.radial(distance.to(like.dtype))
        if weights is not None:
            radial = radial * weights.to(like.dtype)
        return EdgeFeatures(neighbor, slot, n_centers, n_slots, self.harmonics(direction), radial)


def pad(values: Tensor, edges: EdgeFeatures) -> Tensor:
    """Edge values ``(n_edges, width)`` in the padded list ``(n_centers, n_slots, width)``; zeros in empty slots."""
    rows = edges.n_centers * edges.n_slots
    padded = torch.zeros([rows, values.size(1)], dtype=values.dtype, device=values.device)
    return padded.index_copy(0, edges.slot, values).view(edges.n_centers, edges.n_slots, values.size(1))


class SphericalHarmonics(nn.Module):
    """Real spherical harmonics of unit vectors as polynomials in x, y, z.

    They equal e3nn's harmonics (component normalization), as a few products and one small matrix product per degree,
    which is fast under repeated differentiation.
    """

    def __init__(self, lmax: int) -> None:
        super().__init__()
        self.lmax = lmax
        self.higher = nn.ModuleList(_Degree(degree) for degree in range(1, lmax + 1))

    def forward(self, direction: Tensor) -> Tensor:
        """Harmonics ``(n, (lmax + 1)^2)`` of unit vectors ``(n, 3)``."""
        products = torch.ones_like(direction[:, :1])
        harmonics = [products]
        for degree in self.higher:
            products, values = degree(products, direction)
            harmonics.append(values)
        return torch.cat(harmonics, 1)


class _Degree(nn.Module):
    """Products of one degree, from those of the degree below, and the harmonics as combinations of them."""

    previous: Tensor
    factor: Tensor
    coefficients: Tensor

    def __init__(self, degree: int) -> None:
        super().__init__()
        powers = _powers(degree)
        lower = _powers(degree - 1)
        previous, factor = [], []
        for power in powers:
            axis = next(axis for axis in range(3) if power[axis] > 0)
            previous.append(lower.index(tuple(p - (a == axis) for a, p in enumerate(power))))
            factor.append(axis)
        self.register_buffer("previous", torch.tensor(previous), persistent=False)
        self.register_buffer("factor", torch.tensor(factor), persistent=False)
        self.register_buffer("coefficients", _harmonic_coefficients(degree, powers), persistent=False)

    def forward(self, lower: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
        products = lower.index_select(1, self.previous) * direction.index_select(1, self.factor)
        return products, products @ self.coefficients.to(products.dtype)


def _powers(degree: int) -> list[tuple[int, ...]]:
    """Exponents of x, y, z in the products of one degree."""
    return [(a, b, degree - a - b) for a in range(degree, -1, -1) for b in range(degree - a, -1, -1)]


def _harmonic_coefficients(degree: int, powers: list[tuple[int, ...]]) -> Tensor:
    """Coefficients ``(n_products, 2 degree + 1)`` that reproduce e3nn's harmonics of this degree."""
    generator = torch.Generator().manual_seed(degree)
    points = torch.randn(8 * len(powers), 3, generator=generator, dtype=torch.float64)
    values = o3.spherical_harmonics(degree, points, normalize=False, normalization="component")
    products = torch.stack([points.pow(torch.tensor(power)).prod(1) for power in powers], 1)
    coefficients: Tensor = torch.linalg.lstsq(products, values).solution
    # The exact coefficients are square roots of multiples of 1/1024: rounding makes them exact and reproducible.
    return coefficients.sign() * (coefficients.square() * 1024.0).round().div(1024.0).sqrt()
