"""Linear maps with one matrix for each element.

An evaluation takes as many multiply-adds as with one map for all elements: each atom is multiplied by one matrix.
`potential` lists the weights that all elements have in common.
"""

import torch
from torch import Tensor


def map_by_element(values: Tensor, weights: Tensor, species: Tensor) -> Tensor:
    """Multiply each row of values by the matrix of its element.

    Parameters
    ----------
    values : (n, ..., n_in)
    weights : (n_species, n_in, n_out)
        A single matrix is used for all elements.
    species : (n,), int64

    Returns
    -------
    mapped : (n, ..., n_out)

    Examples
    --------
    >>> weights = torch.tensor([[[1.0]], [[10.0]]])
    >>> map_by_element(torch.ones(3, 1), weights, torch.tensor([0, 1, 1])).flatten().tolist()
    [1.0, 10.0, 10.0]
    """
    if weights.size(0) == 1:
        return values @ weights[0]
    mapped = torch.zeros(values.shape[:-1] + weights.shape[2:], dtype=values.dtype, device=values.device)
    present: list[int] = torch.unique(species).tolist()
    for element in present:
        rows = torch.nonzero(species == element).flatten()
        mapped = mapped.index_copy(0, rows, values.index_select(0, rows) @ weights[element])
    return mapped
