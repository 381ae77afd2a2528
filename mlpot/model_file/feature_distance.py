"""Distance of an atom's descriptors from those of the training set, as a model file holds it.

`mlpot.uncertainty.distance` says what it is and fits it; here it is read and applied where torch computes the
descriptors. The native engine has its own way from the same tensors.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from mlpot.model_file.manifest import TENSORS, member, read_checked

FloatArray = NDArray[np.float64]
PREFIX = "distance."


class FeatureDistance(NamedTuple):
    """Distance from a training set: that to the nearest of the clusters of its atoms, element by element.

    Attributes
    ----------
    mean : (n_species, descriptor_width)
    whitening : (n_species, descriptor_width, descriptor_width)
        Lower triangular; a typical atom lies at 1 from the mean. Zero for elements without atoms.
    cluster_mean : (n_species, n_clusters, descriptor_width)
        Of whitened descriptors.
    cluster_whitening : (n_species, n_clusters, descriptor_width * (descriptor_width + 1) / 2)
        Likewise lower triangular, row after row, of whitened descriptors; zero for clusters that an element does
        not have.
    """

    mean: FloatArray
    whitening: FloatArray
    cluster_mean: FloatArray
    cluster_whitening: FloatArray

    def whitened(self, descriptors: FloatArray, species: NDArray[np.integer]) -> FloatArray:
        """Descriptors that are comparable: without correlations, of one scale.

        Parameters
        ----------
        descriptors : (n_atoms, descriptor_width)
        species : (n_atoms,)

        Returns
        -------
        whitened : (n_atoms, descriptor_width)
        """
        white = np.empty_like(descriptors)
        for index in np.unique(species):
            own = species == index
            white[own] = (descriptors[own] - self.mean[index]) @ self.whitening[index].T
        return white

    def of(self, descriptors: FloatArray, species: NDArray[np.integer]) -> FloatArray:
        """Distance of each atom.

        Parameters
        ----------
        descriptors : (n_atoms, descriptor_width)
        species : (n_atoms,)

        Returns
        -------
        distances : (n_atoms,)
            Infinite for an element that the training set did not have.
        """
        white, distances = self.whitened(descriptors, species), np.full(len(species), np.inf)
        for index in np.unique(species):
            own = species == index
            for mean, packed in zip(self.cluster_mean[index], self.cluster_whitening[index], strict=True):
                if packed.any():
                    away = np.linalg.norm((white[own] - mean) @ lower_triangle(packed).T, axis=1)
                    distances[own] = np.minimum(distances[own], away)
        return distances

    def tensors(self) -> dict[str, NDArray[np.floating]]:
        """Plain arrays for the model file, by name; the largest ones in single precision."""
        arrays: dict[str, NDArray[np.floating]] = {PREFIX + name: array for name, array in self._asdict().items()}
        return arrays | {f"{PREFIX}cluster_whitening": self.cluster_whitening.astype(np.float32)}


def neighborhood_distances(
    distances: FloatArray, edge_index: NDArray[np.integer], edge_vectors: FloatArray, cutoff: float
) -> FloatArray:
    """Root mean square of the feature distances of each atom and its neighbours: what its force is made of.

        D_i^2 = (d_i^2 + sum_j w_ij d_j^2) / (1 + sum_j w_ij),    w_ij = 1 - (r_ij / cutoff)^2

    Parameters
    ----------
    distances : (n_atoms,)
    edge_index : (2, n_edges)
    edge_vectors : (n_edges, 3), A
    cutoff : float, A

    Returns
    -------
    (n_atoms,)
    """
    weights = 1.0 - np.einsum("ea,ea->e", edge_vectors, edge_vectors) / cutoff**2
    heard = weights > 0.0  # a distance may be infinite
    center, weights = edge_index[0, heard], weights[heard]
    squares, total = distances**2, np.ones(len(distances))
    np.add.at(squares, center, weights * squares[edge_index[1, heard]])
    np.add.at(total, center, weights)
    return np.asarray(np.sqrt(squares / total))


def lower_triangle(packed: FloatArray) -> FloatArray:
    """Unpack the rows of a lower triangular matrix.

    Parameters
    ----------
    packed : (n * (n + 1) / 2,)

    Returns
    -------
    (n, n)
    """
    n = round(np.sqrt(2.0 * len(packed) + 0.25) - 0.5)
    matrix = np.zeros((n, n))
    matrix[np.tril_indices(n)] = packed
    return matrix


def distance_from_file(path: Path) -> FeatureDistance:
    """Read the distance in a model file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    FeatureDistance
    """
    tensors = safetensors.numpy.load(member(read_checked(path), TENSORS))
    return FeatureDistance(*(tensors[PREFIX + name].astype(np.float64) for name in FeatureDistance._fields))
