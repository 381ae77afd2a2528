"""Weights of a potential as the tables that the native kernels read, differentiable.

Linear maps that follow each other are folded into one, constant factors folded in. The order and the meaning of the
tables are those of ``plugins/native/model/folded.h``, which does the same for a finished model.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mlpot.model import Potential
from mlpot.model.density import MessageDensity
from mlpot.model.species_linear import weights_of


def folded_tables(potential: Potential, coefficients: Sequence[Tensor], species: Tensor) -> list[Tensor]:
    """Fold the weights of some elements of a potential.

    Parameters
    ----------
    potential : Potential
    coefficients : sequence of (n_nodes, n_couplings)
        For each layer, the linear map from the weights of its couplings to the coefficients of its polynomial.
    species : (n,), int64
        The elements.

    Returns
    -------
    list of Tensor
        Contiguous.
    """
    layers: list[Any] = list(potential.layers)
    to_energy, to_hidden = _readouts(layers, potential.energy_scale, species)
    tables: list[Tensor] = []
    for layer, energy, hidden in zip(layers, to_energy, to_hidden, strict=True):
        tables += [*_density_tables(layer.density, layer.embedding, species), energy, hidden]
        if not layer.is_last:
            tables.append(weights_of(layer.message, layer.embedding, species))
            tables.append(layer.message_embedding.index_select(0, species))
    tables.append(layers[-1].readout_output.weight * potential.energy_scale)
    for layer, matrix in zip(layers, coefficients, strict=True):
        couplings = layer.contraction.couplings
        weights = torch.cat([coupling.of_atoms(species, layer.embedding) for coupling in couplings])
        values = matrix @ weights.flatten(1)
        tables.append(values.view(-1, weights.size(1), weights.size(2)).transpose(0, 1))
    return [table.contiguous() for table in tables]


def _density_tables(density: nn.Module, embedding: Tensor | None, species: Tensor) -> list[Tensor]:
    if isinstance(density, MessageDensity):
        return [density.radial_weights(), *(weights_of(mix, embedding, species) for mix in density.mix)]
    mix: Tensor = density.species_mix(species, embedding) * density.norm  # type: ignore[operator]
    return [mix]


def _readouts(layers: Sequence[Any], scale: float, species: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Fold the maps from the product basis of each layer to its energy and the last hidden values, by element."""
    hidden = layers[-1].readout_hidden.weight.T
    energy = torch.zeros_like(hidden[:, 0])
    to_energy: list[Tensor] = []
    to_hidden: list[Tensor] = []
    for layer in reversed(layers):
        energy = energy + layer.readout
        update = weights_of(layer.update, layer.embedding, species)
        to_energy.insert(0, (update @ energy.unsqueeze(-1)).squeeze(-1) * scale)
        to_hidden.insert(0, update @ hidden)
        if not layer.is_first:
            skip = weights_of(layer.skip, layer.embedding, species)
            energy, hidden = (skip @ energy.unsqueeze(-1)).squeeze(-1), skip @ hidden
    return to_energy, to_hidden
