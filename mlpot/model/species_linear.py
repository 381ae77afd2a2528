"""Linear maps with one matrix for each element: its own, or a mixture of a few that all elements share.

    W_z = sum_r e_z[r] V_r

with the embedding ``e_z`` of the element. Without an embedding each element has a matrix of its own.

An evaluation takes as many multiply-adds as with one map for all elements: each atom is multiplied by one matrix.
`potential` lists the weights that all elements have in common.
"""

import math

import torch
from torch import Tensor


def initial_embedding(n_species: int, rank: int) -> Tensor:
    """Embeddings ``(n_species, rank)`` whose mixtures of random matrices have the variance of one of them.

    Half of the variance is the same for all elements: they begin similar.
    """
    own = torch.randn(n_species, rank) / math.sqrt(2.0 * rank)
    return own + torch.randn(rank) / math.sqrt(2.0 * rank)


def weights_of(weights: Tensor, embedding: Tensor | None, species: Tensor) -> Tensor:
    """Weights of elements.

    Parameters
    ----------
    weights : (n_species, ...)
        With an embedding ``(rank, ...)``.
    embedding : (n_species, rank) or None
    species : (n,), int64

    Returns
    -------
    Tensor
        ``(n, ...)``.

    Examples
    --------
    >>> weights_of(torch.tensor([[1.0], [10.0]]), None, torch.tensor([1])).tolist()
    [[10.0]]
    >>> weights_of(torch.tensor([[1.0], [10.0]]), torch.tensor([[0.5, 0.5]]), torch.tensor([0])).tolist()
    [[5.5]]
    """
    if embedding is None:
        return weights.index_select(0, species)
    shape = [species.numel()] + list(weights.shape[1:])  # noqa: RUF005  # TorchScript
    return (embedding.index_select(0, species) @ weights.flatten(1)).view(shape)


def map_by_element(values: Tensor, weights: Tensor, species: Tensor, embedding: Tensor | None = None) -> Tensor:
    """Multiply each row of values by the matrix of its element.

    Parameters
    ----------
    values : (n, ..., n_in)
    weights : (n_species, n_in, n_out)
        With an embedding ``(rank, n_in, n_out)``.
    species : (n,), int64
    embedding : (n_species, rank) or None

    Returns
    -------
    mapped : (n, ..., n_out)

    Examples
    --------
    >>> weights = torch.tensor([[[1.0]], [[10.0]]])
    >>> map_by_element(torch.ones(3, 1), weights, torch.tensor([0, 1, 1])).flatten().tolist()
    [1.0, 10.0, 10.0]
    """
    if embedding is None and weights.size(0) == 1:
        return values @ weights[0]
    mapped = torch.zeros(values.shape[:-1] + weights.shape[2:], dtype=values.dtype, device=values.device)
    present = torch.unique(species)
    matrices = weights_of(weights, embedding, present)
    elements: list[int] = present.tolist()
    for index, element in enumerate(elements):
        rows = torch.nonzero(species == element).flatten()
        mapped = mapped.index_copy(0, rows, values.index_select(0, rows) @ matrices[index])
    return mapped
