"""Linear maps in which every element has weights of its own: those of the atom that the result belongs to.

What all elements share nevertheless is listed in `potential`. An evaluation takes as many multiply-adds as with one map
for all elements: each atom is multiplied by one matrix either way.
"""

import torch
from torch import Tensor


def map_by_element(values: Tensor, weights: Tensor, species: Tensor) -> Tensor:
    """Rows of values times the matrix of the element of each.

    Parameters
    ----------
    values : (n, ..., n_in)
    weights : (n_species, n_in, n_out)
        One matrix alone serves all elements.
    species : (n,), int64

    Returns
    -------
    mapped : (n, ..., n_out)
    """
    if weights.size(0) == 1:
        return values @ weights[0]
    mapped = torch.zeros(values.shape[:-1] + weights.shape[2:], dtype=values.dtype, device=values.device)
    present: list[int] = torch.unique(species).tolist()
    for element in present:
        rows = torch.nonzero(species == element).flatten()
        mapped = mapped.index_copy(0, rows, values.index_select(0, rows) @ weights[element])
    return mapped
