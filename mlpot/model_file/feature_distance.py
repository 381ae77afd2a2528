"""Distance of the descriptors of an atom from those of the training set, as stored in a model file.

`mlpot.uncertainty.distance` defines and fits it. The torch engine evaluates it here, the native engine in C++, from the
same tensors.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
PREFIX = "distance."


class FeatureDistance(NamedTuple):
    """Distance to the nearest cluster of the training atoms of the same element.

    Attributes
    ----------
    mean : (n_species, descriptor_width)
    whitening : (n_species, descriptor_width, descriptor_width)
        Lower triangular; a typical atom lies at 1 from the mean. Zero for elements without atoms.
    cluster_mean : (n_species, n_clusters, descriptor_width)
        Of whitened descriptors.
    cluster_whitening : (n_species, n_clusters, descriptor_width * (descriptor_width + 1) / 2)
        Likewise lower triangular, packed row by row, for whitened descriptors; zero for clusters that an element does
        not have.
    """

    mean: FloatArray
    whitening: FloatArray
    cluster_mean: FloatArray
    cluster_whitening: FloatArray

    def whitened(self, descriptors: FloatArray, species: NDArray[np.integer]) -> FloatArray:
        """Descriptors ``(n_atoms, descriptor_width)``, whitened for each element."""
        white = np.empty_like(descriptors)
        for index in np.unique(species):
            own = species == index
            white[own] = (descriptors[own] - self.mean[index]) @ self.whitening[index].T
        return white

    def of(self, descriptors: FloatArray, species: NDArray[np.integer]) -> FloatArray:
        """Distance of each atom ``(n_atoms,)``; infinite for an element that is not in the training set."""
        white, distances = self.whitened(descriptors, species), np.full(len(species), np.inf)
        for index in np.unique(species):
            own = species == index
            for mean, packed in zip(self.cluster_mean[index], self.cluster_whitening[index], strict=True):
                if packed.any():
                    away = np.linalg.norm((white[own] - mean) @ lower_triangle(packed).T, axis=1)
                    distances[own] = np.minimum(distances[own], away)
        return distances

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, NDArray[np.floating]]) -> "FeatureDistance":
        """Distance in the plain tensors of a model file."""
        return cls(*(tensors[PREFIX + name].astype(np.float64) for name in cls._fields))

    def tensors(self) -> dict[str, NDArray[np.floating]]:
        """Plain tensors for the model file, by name; the largest one in single precision."""
        arrays: dict[str, NDArray[np.floating]] = {PREFIX + name: array for name, array in self._asdict().items()}
        return arrays | {f"{PREFIX}cluster_whitening": self.cluster_whitening.astype(np.float32)}


def neighborhood_distances(
    distances: FloatArray, edge_index: NDArray[np.integer], edge_vectors: FloatArray, cutoff: float
) -> FloatArray:
    """Weighted root mean square of the feature distances of each atom and its neighbors.

        D_i^2 = (d_i^2 + sum_j w_ij d_j^2) / (1 + sum_j w_ij),    w_ij = 1 - (r_ij / cutoff)^2

    Parameters
    ----------
    distances : (n_atoms,)
    edge_index : (2, n_edges)
    edge_vectors : (n_edges, 3), A
    cutoff : float, A

    Returns
    -------
    neighborhood_distances : (n_atoms,)
    """
    weights = 1.0 - np.einsum("ea,ea->e", edge_vectors, edge_vectors) / cutoff**2
    inside = weights > 0.0  # a distance may be infinite
    center, weights = edge_index[0, inside], weights[inside]
    squares, total = distances**2, np.ones(len(distances))
    np.add.at(squares, center, weights * squares[edge_index[1, inside]])
    np.add.at(total, center, weights)
    return np.asarray(np.sqrt(squares / total))


def lower_triangle(packed: FloatArray) -> FloatArray:
    """Lower triangular matrix ``(n, n)`` from its packed rows ``(n * (n + 1) / 2,)``.

    >>> lower_triangle(np.array([1.0, 2.0, 3.0])).tolist()
    [[1.0, 0.0], [2.0, 3.0]]
    """
    n = round(np.sqrt(2.0 * len(packed) + 0.25) - 0.5)
    matrix = np.zeros((n, n))
    matrix[np.tril_indices(n)] = packed
    return matrix
