"""Distance of an atom's descriptors from those of the training set: the signal that does not ask the committee.

    d_i = | L(z_i) (descriptors_i - mean(z_i)) | / sqrt(descriptor_width)

``L^T L`` is the inverse covariance of the descriptors of that element in the training set (Mahalanobis), so that the
distance of a typical training atom is about 1. Members of a committee may agree on an atom that none of them knows; its
descriptors are elsewhere all the same.

References
----------
Zaverkin et al., npj Comput. Mater. 10, 83 (2024): distances in features against committees.
"""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from mlpot.errors import DataError
from mlpot.feature_distance import FeatureDistance

FloatArray = NDArray[np.float64]
RIDGE = 1e-3
"""Share of the variance of each descriptor that is added to it: directions that the training set hardly has."""


def fit_distance(
    blocks: Iterable[tuple[FloatArray, NDArray[np.integer]]], n_species: int, width: int
) -> FeatureDistance:
    """Fit means and covariances to a training set.

    Parameters
    ----------
    blocks : iterable of (descriptors, species)
        One or more structures each; only sums are kept.
    n_species, width : int

    Returns
    -------
    FeatureDistance

    Raises
    ------
    DataError
        No atoms.
    """
    counts, sums = np.zeros(n_species), np.zeros((n_species, width))
    squares = np.zeros((n_species, width, width))
    # Sums about the first atom of an element: descriptors may lie far from zero, close to each other.
    origins: dict[int, FloatArray] = {}
    for descriptors, index in _by_element(blocks):
        shifted = descriptors - origins.setdefault(index, descriptors[0].copy())
        counts[index] += len(shifted)
        sums[index] += shifted.sum(axis=0)
        squares[index] += shifted.T @ shifted
    if not counts.any():
        raise DataError("no atoms: a distance needs a training set")
    mean, whitening = np.zeros((n_species, width)), np.zeros((n_species, width, width))
    for index, origin in origins.items():
        shift = sums[index] / counts[index]
        mean[index] = origin + shift
        covariance = squares[index] / counts[index] - np.outer(shift, shift)
        whitening[index] = _whitening(covariance) / np.sqrt(width)
    return FeatureDistance(mean, whitening)


def _by_element(
    blocks: Iterable[tuple[FloatArray, NDArray[np.integer]]],
) -> Iterator[tuple[FloatArray, int]]:
    for descriptors, species in blocks:
        for index in np.unique(species):
            yield descriptors[species == index], int(index)


def _whitening(covariance: FloatArray) -> FloatArray:
    """Lower triangular L with ``L^T L`` the inverse of the covariance plus its ridge."""
    variances = np.clip(np.diag(covariance), 0.0, None)
    # An element whose descriptors never vary (one atom in one place) is at a distance wherever it moves.
    floor = max(float(variances.mean()), 1e-12)
    ridge = RIDGE * variances + 1e-6 * floor
    inverse = np.linalg.inv(covariance + np.diag(ridge))
    # numpy gives A = C C^T; the transpose of C is upper triangular, so the order of the axes is turned around.
    lower = np.linalg.cholesky(inverse[::-1, ::-1])
    return np.ascontiguousarray(lower.T[::-1, ::-1])
