"""Input of a potential: atoms as nodes, neighbor pairs as edges with their vectors.

Data flow: `neighbors` makes a `Graph` from ASE atoms, `collate` joins several, `model` turns it into energies.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Graph(NamedTuple):
    """One structure or a batch of structures.

    Attributes
    ----------
    species : (n_atoms,), int64
        Index of each atom's element in the model's list of elements.
    edge_index : (2, n_edges), int64
        Center i (non-decreasing) and neighbor j of every pair inside the cutoff; full list.
    edge_vectors : (n_edges, 3), float64, A
        ``r_ij = r_j - r_i + S @ cell``.
    batch : (n_atoms,), int64
        Structure that each atom belongs to.
    n_structures : int
    """

    species: Tensor
    edge_index: Tensor
    edge_vectors: Tensor
    batch: Tensor
    n_structures: int

    def to(self, device: torch.device | str) -> "Graph":
        """Copy of the graph on `device`."""
        return Graph(
            self.species.to(device),
            self.edge_index.to(device),
            self.edge_vectors.to(device),
            self.batch.to(device),
            self.n_structures,
        )


def collate(graphs: Sequence[Graph]) -> Graph:
    """Join graphs into one; atoms and edges keep their order.

    Parameters
    ----------
    graphs : sequence of Graph
        At least one.

    Returns
    -------
    Graph
        With ``n_structures`` equal to the sum over `graphs`.
    """
    atoms = 0
    structures = 0
    edge_index, batch = [], []
    for graph in graphs:
        edge_index.append(graph.edge_index + atoms)
        batch.append(graph.batch + structures)
        atoms += len(graph.species)
        structures += graph.n_structures
    return Graph(
        torch.cat([graph.species for graph in graphs]),
        torch.cat(edge_index, dim=1),
        torch.cat([graph.edge_vectors for graph in graphs]),
        torch.cat(batch),
        structures,
    )
