"""Symmetric contraction (ACE: product basis): powers of the density in each channel, as invariants, vectors, tensors.

    B_i[L M, k] = sum_nu sum_eta w[z_i, nu, eta, k] (U_(nu, eta) . A_i^nu)_(L M, k)

Products of `nu` components are made from products with one factor less. The generalized Clebsch-Gordan coefficients
``U`` are then applied to them as matrix products.
"""

import math
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mlpot.config import ModelConfig
from mlpot.model.clebsch_gordan import generalized_clebsch_gordan

POWER_DECAY: Final = 0.5
"""Factor on the couplings for each further power of the density: low body orders are learned first."""


class SymmetricContraction(nn.Module):
    """Contracts the mixed density to degrees up to `output_lmax`.

    Input A ``((lmax + 1)^2, n_centers, n_channels)``, output B ``((output_lmax + 1)^2, n_centers, n_channels)``.
    """

    def __init__(self, config: ModelConfig, output_lmax: int, n_weights: int) -> None:
        super().__init__()
        self.levels = nn.ModuleList(product_levels(config, output_lmax))
        self.couplings = nn.ModuleList(
            Coupling(config, power, degree, n_weights)
            for power in range(1, config.correlation + 1)
            for degree in range(output_lmax + 1)
            if power <= highest_power(config, degree)
        )
        self.output_size = (output_lmax + 1) ** 2

    def forward(self, density: Tensor, species: Tensor, embedding: Tensor | None) -> Tensor:
        """Contraction of each atom's density with the weights of its element, see `species_linear.weights_of`."""
        products = torch.ones_like(density[:1])
        groups: list[list[Tensor]] = []
        for level in self.levels:
            products = level(products, density)
            groups.append(list(torch.split(products, level.sizes)))
        result = [torch.zeros_like(density[0]) for _ in range(self.output_size)]
        for coupling in self.couplings:
            first = coupling.degree * coupling.degree
            weights = coupling.of_atoms(species, embedding)
            for component in range(2 * coupling.degree + 1):
                terms = groups[coupling.power - 1][first + component]
                matrix = coupling.coefficients[component, :, : terms.size(0)].to(terms.dtype)
                coupled = (matrix @ terms.flatten(1)).view(matrix.size(0), terms.size(1), terms.size(2))
                result[first + component] = result[first + component] + (coupled * weights).sum(0)
        return torch.stack(result)


class ProductLevel(nn.Module):
    """Products of one power, each a product of the power below times one component of the density.

    `sizes` splits them by output component; the last part contains those that only higher powers use.
    """

    previous: Tensor
    factor: Tensor

    def __init__(self, previous: list[int], factor: list[int], sizes: list[int]) -> None:
        super().__init__()
        self.register_buffer("previous", torch.tensor(previous), persistent=False)
        self.register_buffer("factor", torch.tensor(factor), persistent=False)
        self.sizes = sizes

    def forward(self, lower: Tensor, density: Tensor) -> Tensor:
        """Products ``(n_products, n_centers, n_channels)``."""
        return lower.index_select(0, self.previous) * density.index_select(0, self.factor)


class Coupling(nn.Module):
    """Couplings of one power to one degree, with weights ``(n_couplings, n_weights, n_channels)``.

    `n_weights` is the number of elements, or the rank of their embedding.
    """

    coefficients: Tensor

    def __init__(self, config: ModelConfig, power: int, degree: int, n_weights: int) -> None:
        super().__init__()
        self.power = power
        self.degree = degree
        blocks = component_couplings(config.lmax, power, degree)
        n_couplings = blocks[0][1].shape[0]
        width = max(len(monomials) for monomials, _ in blocks)
        coefficients = torch.zeros(2 * degree + 1, n_couplings, width, dtype=torch.float64)
        for component, (monomials, values) in enumerate(blocks):
            coefficients[component, :, : len(monomials)] = torch.from_numpy(values * POWER_DECAY ** (power - 1))
        self.register_buffer("coefficients", coefficients, persistent=False)
        # power! compensates the growth of a product's variance with its power.
        scale = math.sqrt(max(n_couplings, 1) * math.factorial(power))
        self.weights = nn.Parameter(torch.randn(n_couplings, n_weights, config.n_channels) / scale)

    def of_atoms(self, species: Tensor, embedding: Tensor | None) -> Tensor:
        """Weights of the element of each atom ``(n_couplings, n_atoms, n_channels)``."""
        if embedding is None:
            return self.weights.index_select(1, species)
        return embedding.index_select(0, species) @ self.weights


Monomial = tuple[int, ...]


def component_couplings(lmax: int, power: int, degree: int) -> list[tuple[list[Monomial], NDArray[np.float64]]]:
    """Monomials of each component of the result, and their coefficients ``(n_couplings, n_monomials)``.

    Up to degree 1 every monomial of real harmonics belongs to one component (reflections of x, y and z); some of
    degree 2 belong to two.
    """
    polynomials = generalized_clebsch_gordan(lmax, power, degree)
    blocks = []
    for component in range(2 * degree + 1):
        values = polynomials.coefficients[:, component]
        used = np.flatnonzero(np.abs(values).max(axis=0, initial=0.0) > 1e-12)
        blocks.append(([tuple(row) for row in polynomials.monomials[used].tolist()], values[:, used]))
    return blocks


def highest_power(config: ModelConfig, degree: int) -> int:
    """Highest power of the density in outputs of a degree."""
    return config.correlation if degree == 0 else min(config.vector_correlation, config.correlation)


def product_levels(config: ModelConfig, output_lmax: int) -> list[ProductLevel]:
    """Products of each power that the couplings use, by output component; then those that only higher powers use."""
    levels: list[ProductLevel] = []
    orders: list[list[Monomial]] = []
    prefixes: set[Monomial] = set()
    sizes: list[list[int]] = []
    for power in range(config.correlation, 0, -1):
        groups = [
            monomials if power <= highest_power(config, degree) else []
            for degree in range(output_lmax + 1)
            for monomials, _ in component_couplings(config.lmax, power, degree)
        ]
        order = [monomial for group in groups for monomial in group]
        rest = sorted(prefixes.difference(order))
        orders.insert(0, order + rest)
        sizes.insert(0, [len(group) for group in groups] + [len(rest)])
        prefixes = {monomial[:-1] for monomial in orders[0]}
    lower: list[Monomial] = [()]
    for order, split in zip(orders, sizes, strict=True):
        place = {monomial: index for index, monomial in enumerate(lower)}
        levels.append(ProductLevel([place[m[:-1]] for m in order], [m[-1] for m in order], split))
        lower = order
    return levels
