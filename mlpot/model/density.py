"""Sums over neighbors: densities of elements (first layer) and of messages (later layers), mixed into channels.

The sum over neighbors has few or no parameters and does not depend on the number of channels; the mixing is done once
per atom, with the weights of its element (`species_linear`). All sums are batched matrix products over the padded
neighbor list.

    species   D_i[z n, lm] = 1/sqrt(Nbar) sum_j [z_j = z] b_n(r_ij) Y_lm(r_ij)
    shared    D_i[f, lm] = 1/sqrt(Nbar) sum_j R_(z_j f)(r_ij) Y_lm(r_ij),    R_(z f) = sum_n W_z[n, f] b_n
    messages  D_i[c, l1 m1, l2 m2] = 1/sqrt(Nbar) sum_j R_(l1 l2 c)(r_ij) Y_(l1 m1)(r_ij) x_j[c, l2 m2]

The first is complete: each pair of elements has weights of its own. The second costs the same for any number of
elements, which differ in the radial functions of neighbors. The third is coupled to components ``lm`` by Wigner 3j
symbols after the sum, once per atom.

The weights of degree l are divided by ``sqrt(2 l + 1)``: each degree initially contributes the same variance, and
functions that vary slowly with the angle are learned first, as those that vary slowly with the distance (`radial`).
"""

import math

import torch
from torch import Tensor, nn

from mlpot.config import ModelConfig
from mlpot.model.clebsch_gordan import wigner_3j
from mlpot.model.edges import EdgeFeatures, pad
from mlpot.model.species_linear import initial_embedding, map_by_element


class SpeciesDensity(nn.Module):
    """Density of each element around an atom, mixed into channels: A ``((lmax + 1)^2, n_centers, n_channels)``.

    Each pair of elements, of the atom and of its neighbor, has its own weights.
    """

    degree_scale: Tensor

    def __init__(self, config: ModelConfig, n_species: int, average_neighbors: float) -> None:
        super().__init__()
        self.norm = 1.0 / math.sqrt(average_neighbors)
        self.lmax = config.lmax
        size = (n_species, n_species, config.lmax + 1, config.n_radial, config.n_channels)
        self.mix = nn.Parameter(torch.randn(size) / math.sqrt(config.n_radial))
        self.register_buffer("degree_scale", degree_scale(config.lmax).view(-1, 1, 1), persistent=False)

    def forward(self, species: Tensor, messages: Tensor, edges: EdgeFeatures, embedding: Tensor | None) -> Tensor:
        """Mixed density; messages and embedding are not used."""
        # Only elements that are present have a density, so the sums cost no more in a model of many elements.
        present, local = torch.unique(species, return_inverse=True)
        n_present, n_radial = present.numel(), edges.radial.size(1)
        place = edges.slot * n_present + local[edges.neighbor]
        rows = edges.n_centers * edges.n_slots * n_present
        radial = torch.zeros([rows, n_radial], dtype=edges.radial.dtype, device=edges.radial.device)
        radial = radial.index_copy(0, place, edges.radial)
        radial = radial.view(edges.n_centers, edges.n_slots, n_present * n_radial)
        density = pad(edges.harmonics, edges).transpose(1, 2) @ (radial * self.norm)
        # (center, neighbor, l, n, k) -> (center, l, neighbor n, k)
        mix = self.mix * self.degree_scale.to(self.mix.dtype)
        weights = mix.index_select(1, present).transpose(1, 2).flatten(2, 3)
        return mix_degrees(density, weights, species[: edges.n_centers], None)


class SharedDensity(nn.Module):
    """Density of all neighbors, in radial functions of their elements: A ``((lmax + 1)^2, n_centers, n_channels)``.

    `embedding` is that of neighbors; centers have the one of their layer.
    """

    degree_scale: Tensor

    def __init__(self, config: ModelConfig, n_species: int, rank: int, average_neighbors: float) -> None:
        super().__init__()
        self.norm = 1.0 / math.sqrt(average_neighbors)
        n_functions = config.n_radial_functions
        self.radial = nn.Parameter(torch.randn(rank, config.n_radial, n_functions) / math.sqrt(config.n_radial))
        size = (rank, config.lmax + 1, n_functions, config.n_channels)
        self.mix = nn.Parameter(torch.randn(size) / math.sqrt(n_functions))
        self.embedding = nn.Parameter(initial_embedding(n_species, rank))
        self.register_buffer("degree_scale", degree_scale(config.lmax).view(-1, 1, 1), persistent=False)

    def forward(self, species: Tensor, messages: Tensor, edges: EdgeFeatures, embedding: Tensor | None) -> Tensor:
        """Mixed density; messages are not used."""
        radial = map_by_element(edges.radial, self.radial, species[edges.neighbor], self.embedding)
        density = pad(edges.harmonics, edges).transpose(1, 2) @ pad(radial * self.norm, edges)
        mix = self.mix * self.degree_scale.to(self.mix.dtype)
        return mix_degrees(density, mix, species[: edges.n_centers], embedding)


class MessageDensity(nn.Module):
    """Density of the messages around an atom: A ``((lmax + 1)^2, n_centers, n_channels)``."""

    message_degree: Tensor
    degree_scale: Tensor
    coupling: Tensor

    def __init__(self, config: ModelConfig, n_weights: int, average_neighbors: float) -> None:
        super().__init__()
        self.norm = 1.0 / math.sqrt(average_neighbors)
        self.lmax = config.lmax
        self.message_lmax = config.message_lmax
        self.channels = config.message_channels
        self.n_components = (config.message_lmax + 1) ** 2
        paths = coupling_paths(config.lmax, config.message_lmax)
        n_pairs = (config.lmax + 1) * (config.message_lmax + 1)
        self.radial = nn.Parameter(torch.randn(config.n_radial, n_pairs * self.channels) / math.sqrt(config.n_radial))
        self.n_paths = [sum(degree == L for _, _, L in paths) for degree in range(config.lmax + 1)]
        self.mix = nn.ParameterList(
            torch.randn(n_weights, n * self.channels, config.n_channels) / math.sqrt(n * self.channels)
            for n in self.n_paths
        )
        degree = [degree for degree in range(config.message_lmax + 1) for _ in range(2 * degree + 1)]
        self.register_buffer("message_degree", torch.tensor(degree), persistent=False)
        n_columns = (config.message_lmax + 1) * self.channels
        scale = degree_scale(config.lmax).repeat_interleave(n_columns)
        self.register_buffer("degree_scale", scale, persistent=False)
        self.register_buffer("coupling", coupling_matrix(config.lmax, config.message_lmax), persistent=False)

    def forward(self, species: Tensor, messages: Tensor, edges: EdgeFeatures, embedding: Tensor | None) -> Tensor:
        """Mixed density of the messages ``(n_all, n_components * channels)``."""
        n_edges = edges.neighbor.numel()
        radial = (edges.radial @ self.radial_weights()).view(
            n_edges, self.lmax + 1, self.message_lmax + 1, self.channels
        )
        radial = radial.index_select(2, self.message_degree)
        incoming = (messages * self.norm)[edges.neighbor].view(n_edges, 1, self.n_components, self.channels)
        width = self.n_components * self.channels
        weighted = pad((radial * incoming).flatten(1), edges)
        weighted = weighted.view(edges.n_centers, edges.n_slots, self.lmax + 1, width)
        harmonics = pad(edges.harmonics, edges).transpose(1, 2)
        sums = [
            harmonics[:, degree * degree : (degree + 1) * (degree + 1)] @ weighted[:, :, degree]
            for degree in range(self.lmax + 1)
        ]
        # (i, l1 m1, l2 m2, c) -> coupled to (i, L M, path, c)
        density = torch.cat(sums, 1).view(edges.n_centers, self.coupling.size(1), self.channels)
        coupled = self.coupling.to(density.dtype) @ density
        return self.mix_paths(coupled, species[: edges.n_centers], embedding)

    def radial_weights(self) -> Tensor:
        """Weights of the radial basis: ``(n_radial, l1 l2 c)``."""
        return self.radial * self.degree_scale.to(self.radial.dtype)

    def mix_paths(self, coupled: Tensor, centers: Tensor, embedding: Tensor | None) -> Tensor:
        """Mix paths and message channels into channels, for each degree separately."""
        mixed = []
        first = 0
        for degree, weights in enumerate(self.mix):
            last = first + (2 * degree + 1) * self.n_paths[degree]
            block = coupled[:, first:last].reshape(coupled.size(0), 2 * degree + 1, weights.size(1))
            mixed.append(map_by_element(block, weights, centers, embedding))
            first = last
        return torch.cat(mixed, 1).transpose(0, 1).contiguous()


def mix_degrees(density: Tensor, weights: Tensor, centers: Tensor, embedding: Tensor | None) -> Tensor:
    """Mix a density into channels, for each degree separately.

    Parameters
    ----------
    density : (n_centers, (lmax + 1)^2, n_functions)
    weights : (n_weights, lmax + 1, n_functions, n_channels)
    centers : (n_centers,), int64
    embedding : (n_species, n_weights) or None

    Returns
    -------
    mixed : ((lmax + 1)^2, n_centers, n_channels)
    """
    mixed = [
        map_by_element(
            density[:, degree * degree : (degree + 1) * (degree + 1)], weights[:, degree], centers, embedding
        )
        for degree in range(weights.size(1))
    ]
    return torch.cat(mixed, 1).transpose(0, 1).contiguous()


def degree_scale(lmax: int) -> Tensor:
    """Factors ``1 / sqrt(2 l + 1)`` on the weights of each degree: ``(lmax + 1,)``."""
    return 1.0 / torch.sqrt(2.0 * torch.arange(lmax + 1, dtype=torch.float64) + 1.0)


def coupling_paths(lmax: int, message_lmax: int) -> list[tuple[int, int, int]]:
    """Natural-parity paths ``(l1, l2, L)``: harmonic of the edge, degree of the message, degree of the result."""
    return [
        (l1, l2, L)
        for L in range(lmax + 1)
        for l1 in range(lmax + 1)
        for l2 in range(message_lmax + 1)
        if abs(l1 - l2) <= L <= l1 + l2 and (l1 + l2 + L) % 2 == 0
    ]


def coupling_matrix(lmax: int, message_lmax: int) -> Tensor:
    """Wigner 3j symbols as a matrix from ``(l1 m1, l2 m2)`` to ``(L, M, path)``."""
    n_edge, n_message = (lmax + 1) ** 2, (message_lmax + 1) ** 2
    paths = coupling_paths(lmax, message_lmax)
    rows = []
    for degree in range(lmax + 1):
        here = [(l1, l2) for l1, l2, L in paths if degree == L]
        block = torch.zeros(2 * degree + 1, len(here), n_edge, n_message, dtype=torch.float64)
        for path, (l1, l2) in enumerate(here):
            symbol = torch.from_numpy(wigner_3j(l1, l2, degree)).permute(2, 0, 1)
            block[:, path, l1 * l1 : (l1 + 1) ** 2, l2 * l2 : (l2 + 1) ** 2] = symbol
        rows.append(block.flatten(0, 1).flatten(1))
    return torch.cat(rows)
