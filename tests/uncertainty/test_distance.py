"""The distance is that of Mahalanobis, element by element."""

import numpy as np
import pytest

from mlpot.errors import DataError
from mlpot.uncertainty.distance import RIDGE, fit_distance


def blocks(seed=0, n=4000, width=5):
    """Correlated descriptors, far from zero, of two of three elements."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(2, width, width))
    for _ in range(4):
        species = rng.choice([0, 2], size=n // 4)
        yield 1e3 + np.einsum("nij,nj->ni", mixing[species // 2], rng.normal(size=(n // 4, width))), species


def test_is_the_mahalanobis_distance():
    distance = fit_distance(blocks(), 3, 5)
    descriptors, species = (np.concatenate(parts) for parts in zip(*blocks(), strict=True))
    got = distance.of(descriptors, species)
    for index in (0, 2):
        own = descriptors[species == index]
        covariance = np.cov(own.T, bias=True)
        ridge = RIDGE * np.diag(covariance) + 1e-6 * np.diag(covariance).mean()
        away = own - own.mean(axis=0)
        expected = np.einsum("ni,ij,nj->n", away, np.linalg.inv(covariance + np.diag(ridge)), away)
        np.testing.assert_allclose(got[species == index], np.sqrt(expected / 5), rtol=1e-6)


def test_an_element_without_atoms_is_infinitely_far():
    distance = fit_distance(blocks(), 3, 5)
    assert distance.of(np.zeros((1, 5)), np.array([1])) == np.inf


def test_descriptors_that_never_vary_are_far_from_everything_else():
    same = np.ones((10, 3))
    distance = fit_distance([(same, np.zeros(10, dtype=int))], 1, 3)
    assert distance.of(same, np.zeros(10, dtype=int)).max() < 1e-6
    assert distance.of(same + 0.1, np.zeros(10, dtype=int)).min() > 100.0


def test_no_atoms_no_distance():
    with pytest.raises(DataError, match="needs a training set"):
        fit_distance([], 1, 3)
