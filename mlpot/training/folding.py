"""Weights of a potential as the tables that the native kernels read, differentiable.

Linear maps that follow each other are folded into one, constant factors folded in. The order and the meaning of the
tables are those of ``plugins/native/model/folded.h``, which does the same for a finished model.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

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
    weights = [_element_weights(layer, species) for layer in layers]
    to_energy, to_hidden = _readouts(layers, weights, potential.energy_scale)
    tables: list[Tensor] = []
    for layer, own, energy, hidden in zip(layers, weights, to_energy, to_hidden, strict=True):
        tables += [*_density_tables(layer, own, species), energy, hidden]
        if not layer.is_last:
            tables += [own["message"], layer.message_embedding.index_select(0, species)]
    tables.append(layers[-1].readout_output.weight * potential.energy_scale)
    for own, matrix in zip(weights, coefficients, strict=True):
        tables.append(matrix @ own["couplings"])
    return [table.contiguous() for table in tables]


def _element_weights(layer: Any, species: Tensor) -> dict[str, Tensor]:  # noqa: ANN401  # a Layer
    """Weights of some elements ``(n, ...)`` by name; shared ones are mixed in one product."""
    couplings = [coupling.weights for coupling in layer.contraction.couplings]
    weights: dict[str, Tensor] = {
        "update": layer.update,
        "skip": layer.skip,
        "message": layer.message,
        "couplings": torch.cat(couplings).transpose(0, 1),
    }
    if isinstance(layer.density, MessageDensity):
        weights |= {f"mix.{degree}": mix for degree, mix in enumerate(layer.density.mix)}
    elif layer.embedding is not None:
        weights["mix"] = layer.density.mix
    weights = {name: values for name, values in weights.items() if values.numel()}
    if layer.embedding is None:
        return {name: values.index_select(0, species) for name, values in weights.items()}
    widths = [values[0].numel() for values in weights.values()]
    joined = torch.cat([values.flatten(1) for values in weights.values()], 1)
    parts = (layer.embedding.index_select(0, species) @ joined).split(widths, 1)
    return {name: part.view(-1, *values.shape[1:]) for (name, values), part in zip(weights.items(), parts, strict=True)}


def _density_tables(layer: Any, weights: Mapping[str, Tensor], species: Tensor) -> list[Tensor]:  # noqa: ANN401
    density = layer.density
    if isinstance(density, MessageDensity):
        return [density.radial_weights(), *(weights[f"mix.{degree}"] for degree in range(len(density.mix)))]
    scale = density.degree_scale * density.norm
    if layer.embedding is None:
        return [density.mix.index_select(0, species).index_select(1, species) * scale]
    return [weights_of(density.radial, density.embedding, species), weights["mix"] * scale]


def _readouts(
    layers: Sequence[Any], weights: Sequence[Mapping[str, Tensor]], scale: float
) -> tuple[list[Tensor], list[Tensor]]:
    """Fold the maps from the product basis of each layer to its energy and the last hidden values, by element."""
    hidden = layers[-1].readout_hidden.weight.T
    energy = torch.zeros_like(hidden[:, 0])
    to_energy: list[Tensor] = []
    to_hidden: list[Tensor] = []
    for layer, own in zip(reversed(layers), reversed(weights), strict=True):
        energy = energy + layer.readout
        to_energy.insert(0, (own["update"] @ energy.unsqueeze(-1)).squeeze(-1) * scale)
        to_hidden.insert(0, own["update"] @ hidden)
        if not layer.is_first:
            energy, hidden = (own["skip"] @ energy.unsqueeze(-1)).squeeze(-1), own["skip"] @ hidden
    return to_energy, to_hidden
