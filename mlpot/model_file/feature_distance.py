"""Distance of the descriptors of an atom from those of the training set, as stored in a model file.

`mlpot.uncertainty.distance` defines and fits it. The torch engine evaluates it here, the native engine in C++, from the
same tensors.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

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
    def from_tensors(cls, tensors: Mapping[str, NDArray[Any]]) -> "FeatureDistance":
        """Distance in the tensors of a model file, which have rows only for elements and clusters that there are."""
        counts = tensors[f"{PREFIX}n_clusters"]
        parts = (tensors[PREFIX + name].astype(np.float64) for name in cls._fields)
        mean, whitening, cluster_mean, cluster_whitening = parts
        species, index = np.nonzero(np.arange(counts.max(initial=1)) < counts[:, None])
        known, size = np.flatnonzero(counts), whitening.shape[1]
        distance = cls(
            np.zeros((len(counts), mean.shape[1])),
            np.zeros((len(counts), mean.shape[1], mean.shape[1])),
            np.zeros((len(counts), counts.max(initial=1), mean.shape[1])),
            np.zeros((len(counts), counts.max(initial=1), size)),
        )
        distance.mean[known] = mean
        distance.whitening[known] = [lower_triangle(packed) for packed in whitening]
        distance.cluster_mean[species, index] = cluster_mean
        distance.cluster_whitening[species, index] = cluster_whitening
        return distance

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Tensors for the model file, by name: see `from_tensors`."""
        present: NDArray[np.bool_] = np.any(self.cluster_whitening, axis=2)
        known = np.any(present, axis=1)
        rows, columns = np.tril_indices(self.mean.shape[1])
        arrays = {
            "mean": _smallest(self.mean[known]),
            "whitening": _smallest(self.whitening[known][:, rows, columns]),
            "n_clusters": present.sum(axis=1),
            "cluster_mean": _smallest(self.cluster_mean[present]),
            "cluster_whitening": self.cluster_whitening[present].astype(np.float32),
        }
        return {PREFIX + name: array for name, array in arrays.items()}


def _smallest(array: FloatArray) -> NDArray[np.floating]:
    """Array in single precision, if that is exact."""
    single = array.astype(np.float32)
    return single if np.array_equal(single, array) else array


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
