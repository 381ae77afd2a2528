"""Distance of an atom's descriptors from those of the training set: the signal that needs no committee.

    y_i = L(z_i) (descriptors_i - mean(z_i)) / sqrt(descriptor_width)
    d_i = min over clusters k of z_i of | L_k (y_i - mean_k) | / sqrt(descriptor_width)

``L^T L`` is the inverse covariance of the descriptors of that element in the training set, ``L_k^T L_k`` that of the
whitened descriptors in the k-th of at most eight clusters (k-means): the Mahalanobis distance from the nearest of
several Gaussians. That of a typical training atom is about 1, or less where a cluster is tight. One Gaussian is not
enough: it also covers the space between a crystal and a surface, or between two bonds. The distance of an atom unlike
the training set is large even where the members of a committee agree.

References
----------
Zaverkin et al., npj Comput. Mater. 10, 83 (2024): distances in features against committees. Zhu et al., J. Chem. Phys.
158, 164111 (2023): mixtures of Gaussians on the features of equivariant networks.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2

from mlpot.errors import DataError
from mlpot.model_file.feature_distance import FeatureDistance

FloatArray = NDArray[np.float64]
_Lots = tuple[FloatArray, FloatArray]
CLUSTERS = 8
"""Largest number of clusters of an element."""

FEWEST_ATOMS = 50
"""Least number of atoms for each cluster; with fewer atoms, an element has fewer clusters."""

MOST_ATOMS = 20_000
"""Largest number of atoms of an element that are used, drawn at random."""

RIDGE = 1e-4
"""Fraction of the variance of each descriptor that is added to it: for directions that hardly vary in the data."""

CLUSTER_RIDGE = 3e-2
"""Fraction of the variance of an element that is added to that of each of its clusters."""

PSEUDO_ATOMS = 10
"""Number of atoms, with the pooled covariance of all clusters, that are added to each cluster."""


def fit_distance(
    blocks: Iterable[tuple[FloatArray, NDArray[np.integer]]], n_species: int, width: int
) -> FeatureDistance:
    """Fit means and covariances to a training set.

    Parameters
    ----------
    blocks : iterable of (descriptors, species)
        One or more structures each.
    n_species, width : int
        Elements of the model, and width of its descriptors.

    Raises
    ------
    DataError
        No atoms.
    """
    samples = _draw(blocks)
    if not samples:
        raise DataError("no atoms: a distance needs a training set")
    distance = FeatureDistance(
        np.zeros((n_species, width)),
        np.zeros((n_species, width, width)),
        np.zeros((n_species, CLUSTERS, width)),
        np.zeros((n_species, CLUSTERS, width * (width + 1) // 2)),
    )
    for index, descriptors in samples.items():
        _fit_element(distance, index, descriptors)
    return distance


def _draw(blocks: Iterable[tuple[FloatArray, NDArray[np.integer]]]) -> dict[int, FloatArray]:
    """Descriptors of each element: all, or a random sample of `MOST_ATOMS`."""
    rng, drawn = np.random.default_rng(0), defaultdict[int, list[_Lots]](list)
    for descriptors, index in _by_element(blocks):
        drawn[index].append((rng.random(len(descriptors)), descriptors))
        if sum(len(lots) for lots, _ in drawn[index]) > 2 * MOST_ATOMS:
            drawn[index] = [_lowest(drawn[index])]
    return {index: _lowest(parts)[1] for index, parts in drawn.items()}


def _lowest(parts: list[_Lots]) -> _Lots:
    lots, rows = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    kept = np.sort(np.argsort(lots)[:MOST_ATOMS])
    return lots[kept], rows[kept]


def _by_element(
    blocks: Iterable[tuple[FloatArray, NDArray[np.integer]]],
) -> Iterator[tuple[FloatArray, int]]:
    for descriptors, species in blocks:
        for index in np.unique(species):
            yield descriptors[species == index], int(index)


def _fit_element(distance: FeatureDistance, index: int, descriptors: FloatArray) -> None:
    """Fit one element, in place."""
    width = descriptors.shape[1]
    distance.mean[index] = descriptors.mean(axis=0)
    covariance = _covariance(descriptors - distance.mean[index])
    variances = np.clip(np.diag(covariance), 0.0, None)
    # The second term is for an element whose descriptors never vary (one atom in one place).
    floor = RIDGE * variances + 1e-6 * max(float(variances.mean()), 1e-12)
    distance.whitening[index] = _rounded(_whitening(covariance + np.diag(floor)) / np.sqrt(width))
    white = (descriptors - distance.mean[index]) @ distance.whitening[index].T
    clusters = _clusters(white)
    centers = _rounded(np.array([cluster.mean(axis=0) for cluster in clusters]))
    rests = [cluster - center for cluster, center in zip(clusters, centers, strict=True)]
    pooled, ridge = _covariance(np.concatenate(rests)), CLUSTER_RIDGE / width * np.eye(width)
    for k, rest in enumerate(rests):
        shrunk = (len(rest) * _covariance(rest) + PSEUDO_ATOMS * pooled) / (len(rest) + PSEUDO_ATOMS)
        distance.cluster_mean[index, k] = centers[k]
        packed = (_whitening(shrunk + ridge) / np.sqrt(width))[np.tril_indices(width)]
        distance.cluster_whitening[index, k] = _rounded(packed)


def _rounded(array: FloatArray) -> FloatArray:
    """Single precision, in which the model file is half as large: what follows is fitted to the rounded numbers."""
    return array.astype(np.float32).astype(np.float64)


def _covariance(rows: FloatArray) -> FloatArray:
    return np.asarray(rows.T @ rows / len(rows), dtype=np.float64)


def _clusters(white: FloatArray) -> list[FloatArray]:
    """Divide atoms by k-means; the equal atoms of perfect crystals count once in the number of clusters."""
    different = len(np.unique(np.round(white, 6), axis=0))
    count = max(1, min(CLUSTERS, len(white) // FEWEST_ATOMS, different))
    if count == 1:
        return [white]
    _, labels = kmeans2(white, count, minit="++", iter=30, seed=0)
    parts = [white[labels == k] for k in range(count)]
    return [part for part in parts if len(part)]


def _whitening(covariance: FloatArray) -> FloatArray:
    """Lower triangular L with ``L^T L`` the inverse of the covariance."""
    # numpy gives A = C C^T; the transpose of C is upper triangular, so the order of the axes is reversed.
    lower = np.linalg.cholesky(np.linalg.inv(covariance)[::-1, ::-1])
    return np.ascontiguousarray(lower.T[::-1, ::-1])
