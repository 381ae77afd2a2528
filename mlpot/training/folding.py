"""Weights of a potential as the tables that the native kernels read, differentiable.

Linear maps that follow each other are folded into one, constant factors folded in. The order and the meaning of the
tables are those of ``plugins/native/model/folded.h``, which does the same for a finished model.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mlpot.model import Potential
from mlpot.model.density import MessageDensity, SpeciesDensity


def folded_tables(potential: Potential, coefficients: Sequence[Tensor]) -> list[Tensor]:
    """Fold the weights of a potential.

    Parameters
    ----------
    potential : Potential
    coefficients : sequence of (n_nodes, n_couplings)
        For each layer, the linear map from the weights of its couplings to the coefficients of its polynomial.

    Returns
    -------
    list of Tensor
        Contiguous.
    """
    layers: list[Any] = list(potential.layers)
    to_energy, to_hidden = _readouts(layers, potential.energy_scale)
    tables: list[Tensor] = []
    for layer, energy, hidden in zip(layers, to_energy, to_hidden, strict=True):
        tables += [*_density_tables(layer.density), energy, hidden]
        if not layer.is_last:
            tables += [layer.message, layer.message_embedding]
    tables.append(layers[-1].readout_output.weight * potential.energy_scale)
    for layer, matrix in zip(layers, coefficients, strict=True):
        weights = torch.cat([coupling.weights for coupling in layer.contraction.couplings])
        values = matrix @ weights.flatten(1)
        tables.append(values.view(-1, weights.size(1), weights.size(2)).transpose(0, 1))
    return [table.contiguous() for table in tables]


def _density_tables(density: nn.Module) -> list[Tensor]:
    if isinstance(density, SpeciesDensity):
        return [density.species_mix() * density.norm]
    if isinstance(density, MessageDensity):
        return [density.radial_weights(), *density.mix.parameters()]
    raise TypeError(f"no tables are known for {type(density).__name__}")


def _readouts(layers: Sequence[Any], scale: float) -> tuple[list[Tensor], list[Tensor]]:
    """Fold the maps from the product basis of each layer to its energy and the last hidden values, by element."""
    hidden = layers[-1].readout_hidden.weight.T
    energy = torch.zeros_like(hidden[:, 0])
    to_energy: list[Tensor] = []
    to_hidden: list[Tensor] = []
    for layer in reversed(layers):
        energy = energy + layer.readout
        to_energy.insert(0, (layer.update @ energy.unsqueeze(-1)).squeeze(-1) * scale)
        to_hidden.insert(0, layer.update @ hidden)
        if not layer.is_first:
            energy, hidden = (layer.skip @ energy.unsqueeze(-1)).squeeze(-1), layer.skip @ hidden
    return to_energy, to_hidden
