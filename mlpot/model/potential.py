"""The potential: layers of density, contraction and update, summed into one energy for each atom.

    density    D_i     = sum over neighbors (`density`)
    mix        A_i     = weights . D_i                              (ACE: atomic basis)
    contract   B_i     = symmetric powers of A_i (`contraction`)    (ACE: product basis)
    update     h_i^t   = Linear(g_i^t B_i) + Linear(h_i^(t-1))
    message    x_i^t   = Linear(g_i^t B_i) + element embedding, the input of the density of the next layer
    energy     E_i     = E0(z_i) + scale (sum_t w_t . h_i^t + MLP(h_i^T)) + ZBL

Every element has its own weights, or mixtures of shared ones (`species_linear`), except in the radial functions of
messages, ``w`` and the MLP.

The energy is linear in the features of all layers and in the hidden values of the MLP: together they are the
descriptors of an atom, from which committees (`committee`) and feature distances are made.

There are no constant terms, so an atom without neighbors has exactly its reference energy.

Contracted densities are cubic in the density, and the next layer raises messages to the third power again: far above
the densities of the training set the energy of later layers would be a polynomial of the ninth degree. Two factors
remove it there: `damp_messages` takes the contribution of long messages to zero, and the density gate ``g``
(`density_gate`) is 1 up to a limit from the densities of the training set and falls to 0 beyond. The first layer, which
extrapolates smoothly, and the core repulsion remain: the energy of the first layer is not gated.

TorchScript compiles this module: plain tensors in and out of `Potential.forward`, plain ATen operators inside.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from mlpot.config import ModelConfig
from mlpot.errors import ConfigError
from mlpot.model.contraction import SymmetricContraction
from mlpot.model.density import MessageDensity, SharedDensity, SpeciesDensity
from mlpot.model.density_gate import UNBOUNDED, density_gate, mean_square
from mlpot.model.edges import EdgeEmbedding, EdgeFeatures
from mlpot.model.species_linear import initial_embedding, map_by_element
from mlpot.model.zbl import ZBLRepulsion


class LayerOutput(NamedTuple):
    """What a layer computes for the centers.

    Attributes
    ----------
    energies : (n_centers,)
        In units of the energy scale.
    features : (n_centers, n_channels)
        Input of the readout, part of the descriptors.
    passed : (n_centers, n_channels)
        Features as the next layer receives them: those of the first layer are gated.
    messages : (n_centers, message_width)
        No columns after the last layer.
    density : (n_centers,)
        Mean square of the mixed density.
    """

    energies: Tensor
    features: Tensor
    passed: Tensor
    messages: Tensor
    density: Tensor


class AtomDescription(NamedTuple):
    """Descriptors of atoms, and the terms that do not depend on them.

    Attributes
    ----------
    energies : (n_atoms,), float64, eV
        Reference energies and core repulsion.
    descriptors : (n_atoms, descriptor_width)
        Features of each layer, then the hidden values of the last readout.
    densities : (n_layers, n_atoms)
        Mean squares of the mixed densities.
    """

    energies: Tensor
    descriptors: Tensor
    densities: Tensor


class Layer(nn.Module):
    """One layer: density, contraction, update of the features, messages for the next layer.

    `embedding` is that of the elements of centers where they share weights, else None.

    `max_density` holds the mean square of the mixed density up to which the gate is open, for each element, recorded
    after training; `UNBOUNDED` until then.
    """

    max_density: Tensor

    def __init__(self, config: ModelConfig, index: int, n_species: int, average_neighbors: float) -> None:
        super().__init__()
        self.is_first = index == 0
        self.is_last = index == config.n_layers - 1
        self.message_lmax = -1 if self.is_last else config.message_lmax
        rank = config.species_embedding
        n_weights = n_species if rank is None else rank
        self.embedding = None if rank is None else nn.Parameter(initial_embedding(n_species, rank))
        self.density: nn.Module
        if not self.is_first:
            self.density = MessageDensity(config, n_weights, average_neighbors)
        elif rank is None:
            self.density = SpeciesDensity(config, n_species, average_neighbors)
        else:
            self.density = SharedDensity(config, n_species, rank, average_neighbors)
        self.contraction = SymmetricContraction(config, max(self.message_lmax, 0), n_weights)
        width = config.n_channels
        square = (n_weights, width, width)
        self.update = nn.Parameter(torch.randn(square) / math.sqrt(width))
        self.skip = nn.Parameter(torch.zeros(0, 0, 0) if self.is_first else torch.randn(square) / math.sqrt(width))
        n_messages = 0 if self.is_last else config.message_channels
        degrees = 0 if self.is_last else config.message_lmax + 1
        self.message = nn.Parameter(torch.randn(n_weights, degrees, width, n_messages) / math.sqrt(width))
        self.message_embedding = nn.Parameter(torch.randn(n_species, n_messages))
        self.readout = nn.Parameter(0.1 * torch.randn(width) / math.sqrt(width))
        unbounded = torch.full((n_species,), UNBOUNDED)
        self.register_buffer("max_density", unbounded, persistent=config.n_layers > 1)
        self.readout_hidden = nn.Linear(width, config.readout_width, bias=False) if self.is_last else None
        self.readout_output = nn.Linear(config.readout_width, 1, bias=False) if self.is_last else None

    def forward(self, species: Tensor, passed: Tensor, messages: Tensor, edges: EdgeFeatures) -> LayerOutput:
        """Evaluate the layer on the features and messages of the previous one."""
        centers = species[: edges.n_centers]
        mixed = self.density(species, messages, edges, self.embedding)
        density = mean_square(mixed)
        contracted = self.contraction(mixed, centers, self.embedding)
        features = map_by_element(contracted[0], self.update, centers, self.embedding)
        gated = features
        if not (self.is_first and self.is_last):
            gate = density_gate(density, self.max_density[centers]).unsqueeze(1)
            contracted, gated = contracted * gate, features * gate
        if not self.is_first:
            gated = gated + map_by_element(passed, self.skip, centers, self.embedding)
            features = gated
        energies = features @ self.readout
        output = self.readout_output
        if output is not None:
            energies = energies + output(self.hidden(features)).squeeze(1)
        return LayerOutput(energies, features, gated, self.outgoing(contracted, centers), density)

    def hidden(self, features: Tensor) -> Tensor:
        """Hidden values of the readout ``(n_centers, readout_width)``; no columns before the last layer."""
        hidden = self.readout_hidden
        if hidden is None:
            return features.new_zeros([features.size(0), 0])
        return functional.silu(hidden(features))

    def last_weights(self) -> Tensor:
        """Weights of the features and of the hidden values in the energy."""
        output = self.readout_output
        if output is None:
            return self.readout
        return torch.cat([self.readout, output.weight[0]])

    def outgoing(self, contracted: Tensor, centers: Tensor) -> Tensor:
        """Messages ``(n_centers, n_components * n_message_channels)``; no columns after the last layer."""
        if self.is_last:
            return contracted.new_zeros([centers.numel(), 0])
        parts: list[Tensor] = []
        for degree in range(self.message_lmax + 1):
            components = contracted[degree * degree : (degree + 1) * (degree + 1)].transpose(0, 1)
            message = map_by_element(components, self.message[:, degree], centers, self.embedding)
            if degree == 0:
                message = message + self.message_embedding[centers].unsqueeze(1)
            parts.append(damp_messages(message))
        return torch.cat(parts, 1).flatten(1)


def damp_messages(messages: Tensor) -> Tensor:
    """Scale messages of one degree, ``(n_centers, 2 degree + 1, channels)``, by ``1 / (1 + (|m| / 3)^8)``."""
    size = (1.0 / 9.0) * messages.square().sum(1, keepdim=True)
    return messages / (1.0 + size.square().square())


class Potential(nn.Module):
    """Atomic energies from species and edge vectors; built in float64, ``.float()`` makes it mixed precision.

    Parameters
    ----------
    config : ModelConfig
        Architecture.
    atomic_numbers : sequence of int
        Elements; `species` indexes into them.
    reference_energies : sequence of float, eV
        Energy of the isolated atom of each element.
    energy_scale : float, eV
        Typical interaction energy; the root mean square force component in eV/A is a good choice.
    average_neighbors : float
        Mean number of neighbors inside the cutoff.

    Raises
    ------
    ConfigError
        Lists of different lengths, or values that are not finite, or not positive where required.
    """

    def __init__(
        self,
        config: ModelConfig,
        atomic_numbers: Sequence[int],
        reference_energies: Sequence[float],
        energy_scale: float = 1.0,
        average_neighbors: float = 20.0,
    ) -> None:
        super().__init__()
        _check_arguments(atomic_numbers, reference_energies, energy_scale, average_neighbors)
        self.config = config
        self.cutoff = config.cutoff
        self.atomic_numbers = [int(z) for z in atomic_numbers]
        self.n_layers = config.n_layers
        self.feature_width = config.n_channels
        self.message_width = 0 if config.n_layers == 1 else config.message_channels * (config.message_lmax + 1) ** 2
        self.descriptor_width = config.n_layers * config.n_channels + config.readout_width
        self.energy_scale = float(energy_scale)
        self.average_neighbors = float(average_neighbors)
        # A plain attribute, not a buffer: total energies need float64 also in a float32 model.
        self.reference_energies = torch.tensor([float(e) for e in reference_energies], dtype=torch.float64)
        n_species = len(self.atomic_numbers)
        self.edges = EdgeEmbedding(config)
        self.layers = nn.ModuleList(
            Layer(config, index, n_species, average_neighbors) for index in range(config.n_layers)
        )
        self.repulsion = ZBLRepulsion(self.atomic_numbers, config.cutoff) if config.zbl else None
        # Built in float64: a cast to float32 then rounds the constants once, and nothing is cast up.
        self.double()

    def forward(self, species: Tensor, edge_index: Tensor, edge_vectors: Tensor) -> Tensor:
        """Energy of each atom.

        Parameters
        ----------
        species : (n_atoms,), int64
        edge_index : (2, n_edges), int64
            Centers non-decreasing.
        edge_vectors : (n_edges, 3), float64, A
            All shorter than the cutoff.

        Returns
        -------
        atomic_energies : (n_atoms,), float64, eV
        """
        n_atoms = species.numel()
        energies, edges = self.prepare(species, edge_index, edge_vectors, n_atoms)
        passed = torch.zeros([n_atoms, 0], dtype=edges.radial.dtype, device=edges.radial.device)
        messages = passed
        for layer in self.layers:
            output = layer(species, passed, messages, edges)
            passed, messages = output.passed, output.messages
            energies = energies + self.energy_scale * output.energies.to(energies.dtype)
        return energies

    @torch.jit.export
    def forward_layer(
        self,
        layer: int,
        n_local: int,
        species: Tensor,
        edge_index: Tensor,
        edge_vectors: Tensor,
        features: Tensor,
        messages: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Evaluate one layer, for programs that exchange messages between processes.

        Parameters
        ----------
        layer : int
            From 0 to ``n_layers - 1``.
        n_local : int
            Number of centers; they come first among the atoms.
        species : (n_all,), int64
            Local atoms, then ghosts.
        edge_index : (2, n_edges), int64
            Centers below `n_local`, non-decreasing.
        edge_vectors : (n_edges, 3), float64, A
        features : (n_local, feature_width)
            Of the previous layer; the first layer does not read them.
        messages : (n_all, message_width)
            Of the previous layer, ghosts included; the first layer does not read them.

        Returns
        -------
        atomic_energies : (n_local,), float64, eV
            Contribution of this layer; the first has reference energies and core repulsion.
        features : (n_local, feature_width)
        messages : (n_local, message_width)
            Of width 0 after the last layer.
        """
        energies, edges = self.prepare(species, edge_index, edge_vectors, n_local)
        if layer > 0:
            energies = torch.zeros_like(energies)
        for index, block in enumerate(self.layers):
            if index == layer:
                output = block(species, features, messages, edges)
                features, messages = output.passed, output.messages
                energies = energies + self.energy_scale * output.energies.to(energies.dtype)
        return energies, features, messages

    @torch.jit.export
    def descriptors(self, species: Tensor, edge_index: Tensor, edge_vectors: Tensor) -> Tensor:
        """Vectors that the energy of each atom is linear in; arguments as of `forward`.

        Returns
        -------
        descriptors : (n_atoms, descriptor_width)
            Features of each layer, then the hidden values of the last readout.
        """
        return self.describe(species, edge_index, edge_vectors).descriptors

    def describe(self, species: Tensor, edge_index: Tensor, edge_vectors: Tensor) -> AtomDescription:
        """Descriptors and densities of all atoms; arguments as of `forward`."""
        energies, edges = self.prepare(species, edge_index, edge_vectors, species.numel())
        passed = torch.zeros([species.numel(), 0], dtype=edges.radial.dtype, device=edges.radial.device)
        messages = passed
        parts: list[Tensor] = []
        densities: list[Tensor] = []
        for layer in self.layers:
            output = layer(species, passed, messages, edges)
            passed, messages = output.passed, output.messages
            parts.append(output.features)
            parts.append(layer.hidden(output.features))  # type: ignore[operator]
            densities.append(output.density)
        return AtomDescription(energies, torch.cat(parts, 1), torch.stack(densities))

    def last_weights(self) -> Tensor:
        """Weights of the descriptors in the energy ``(descriptor_width,)``."""
        parts: list[Tensor] = []
        for layer in self.layers:
            parts.append(layer.last_weights())  # type: ignore[operator]
        return torch.cat(parts)

    @torch.jit.unused
    def disable_gate(self) -> None:
        """Disable the density gate (used during training)."""
        for layer in self.layers:
            layer.max_density.fill_(UNBOUNDED)  # type: ignore[operator]

    def prepare(
        self, species: Tensor, edge_index: Tensor, edge_vectors: Tensor, n_centers: int
    ) -> tuple[Tensor, EdgeFeatures]:
        """Energies before any layer ``(n_centers,)``, eV: references and core repulsion; features of the edges."""
        energies = self.reference_energies.to(edge_vectors.device)[species[:n_centers]]
        weights: Tensor | None = None
        repulsion = self.repulsion
        if repulsion is not None:
            repulsive, weights = repulsion(species, edge_index, edge_vectors, n_centers)
            energies = energies + repulsive
        return energies, self.edges(edge_index, edge_vectors, weights, n_centers, self.layers[0].readout)


def _check_arguments(
    atomic_numbers: Sequence[int], reference_energies: Sequence[float], energy_scale: float, average_neighbors: float
) -> None:
    if not atomic_numbers or len(set(atomic_numbers)) != len(atomic_numbers):
        raise ConfigError(f"`atomic_numbers` must name each element once, got {list(atomic_numbers)}")
    if not all(1 <= z <= 118 for z in atomic_numbers):
        raise ConfigError(f"`atomic_numbers` must lie between 1 and 118, got {list(atomic_numbers)}")
    if len(reference_energies) != len(atomic_numbers):
        raise ConfigError(
            f"`reference_energies` must have one value for each of {len(atomic_numbers)} elements, "
            f"got {len(reference_energies)}"
        )
    if not all(math.isfinite(energy) for energy in reference_energies):
        raise ConfigError(f"`reference_energies` must be finite, got {list(reference_energies)}")
    for name, value in (("energy_scale", energy_scale), ("average_neighbors", average_neighbors)):
        if not (math.isfinite(value) and value > 0.0):
            raise ConfigError(f"`{name}` must be positive and finite, got {value}")
