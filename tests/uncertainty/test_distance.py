"""The distance is that of Mahalanobis from the nearest cluster, element by element."""

import numpy as np
import pytest

from mlpot.errors import DataError
from mlpot.model_file.feature_distance import FeatureDistance, lower_triangle
from mlpot.uncertainty import distance as module
from mlpot.uncertainty.distance import CLUSTERS, RIDGE, fit_distance

WIDTH = 5


def gaussian_blocks(seed=0, n=4000, centers=(0.0,)):
    """Correlated descriptors, far from zero, of two of three elements, around one or more centers."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(2, WIDTH, WIDTH))
    for _ in range(4):
        species = rng.choice([0, 2], size=n // 4)
        scatter = np.einsum("nij,nj->ni", mixing[species // 2], rng.normal(size=(n // 4, WIDTH)))
        yield 1e3 + rng.choice(centers, size=(n // 4, 1)) + scatter, species


def joined(blocks):
    return tuple(np.concatenate(parts) for parts in zip(*blocks, strict=True))


def test_one_cluster_is_the_mahalanobis_distance(monkeypatch):
    monkeypatch.setattr(module, "CLUSTERS", 1)
    distance = fit_distance(gaussian_blocks(), 3, WIDTH)
    descriptors, species = joined(gaussian_blocks())
    got = distance.of(descriptors, species)
    for index in (0, 2):
        own = descriptors[species == index]
        covariance = np.cov(own.T, bias=True)
        away = own - own.mean(axis=0)
        expected = np.einsum("ni,ij,nj->n", away, np.linalg.inv(covariance), away)
        # both ridges are small
        np.testing.assert_allclose(got[species == index], np.sqrt(expected / WIDTH), rtol=0.05)
        ridge = RIDGE * np.diag(covariance) + 1e-6 * np.diag(covariance).mean()
        expected = np.einsum("ni,ij,nj->n", away, np.linalg.inv(covariance + np.diag(ridge)), away)
        white = distance.whitened(own, np.full(len(own), index))
        np.testing.assert_allclose(np.linalg.norm(white, axis=1), np.sqrt(expected / WIDTH), rtol=1e-6)


def test_is_that_of_the_nearest_cluster():
    """Independent implementation of the formula in the module docstring."""
    distance = fit_distance(gaussian_blocks(centers=(0.0, 30.0)), 3, WIDTH)
    descriptors, species = joined(gaussian_blocks(seed=1))
    got = distance.of(descriptors, species)
    for index in (0, 2):
        for row, found in zip(descriptors[species == index][:50], got[species == index], strict=False):
            white = distance.whitening[index] @ (row - distance.mean[index])
            all_of_them = [
                np.linalg.norm(lower_triangle(packed) @ (white - mean))
                for mean, packed in zip(distance.cluster_mean[index], distance.cluster_whitening[index], strict=True)
            ]
            assert len(all_of_them) == CLUSTERS
            assert found == pytest.approx(min(all_of_them), rel=1e-12)


def test_what_lies_between_two_clusters_is_far():
    blocks = list(gaussian_blocks(centers=(0.0, 30.0)))
    distance = fit_distance(blocks, 3, WIDTH)
    inside = distance.of(*joined(blocks))
    between = distance.of(np.full((1, WIDTH), 1e3 + 15.0), np.array([0]))
    assert np.median(inside) == pytest.approx(1.0, abs=0.3)  # each Gaussian is divided, too
    assert between > np.quantile(inside, 0.99)
    # to one Gaussian it is the best known place of all
    assert np.linalg.norm(distance.whitened(np.full((1, WIDTH), 1e3 + 15.0), np.array([0]))) < 0.2


def test_large_sets_are_sampled(monkeypatch):
    whole = fit_distance(gaussian_blocks(n=16000), 3, WIDTH)
    monkeypatch.setattr(module, "MOST_ATOMS", 1000)
    part = fit_distance(gaussian_blocks(n=16000), 3, WIDTH)
    np.testing.assert_allclose(part.mean[[0, 2]], whole.mean[[0, 2]], atol=0.3)
    assert not np.array_equal(part.mean, whole.mean)
    descriptors, species = joined(gaussian_blocks(seed=1))
    ratio = part.of(descriptors, species) / whole.of(descriptors, species)
    assert np.median(ratio) == pytest.approx(1.0, abs=0.1)


def test_an_element_without_atoms_is_infinitely_far():
    distance = fit_distance(gaussian_blocks(), 3, WIDTH)
    assert distance.of(np.zeros((1, WIDTH)), np.array([1])) == np.inf


@pytest.mark.parametrize("n_atoms", [1, 10, 1000])
def test_descriptors_that_never_vary_are_far_from_everything_else(n_atoms):
    same = np.ones((n_atoms, 3))
    distance = fit_distance([(same, np.zeros(n_atoms, dtype=int))], 1, 3)
    assert distance.of(same, np.zeros(n_atoms, dtype=int)).max() < 1e-6
    assert distance.of(same + 0.1, np.zeros(n_atoms, dtype=int)).min() > 100.0


def test_a_perfect_crystal_among_other_atoms_is_a_cluster():
    rng = np.random.default_rng(0)
    rows = np.concatenate([np.ones((2000, WIDTH)), rng.normal(size=(500, WIDTH))])
    distance = fit_distance([(rows, np.zeros(len(rows), dtype=int))], 1, WIDTH)
    found = distance.of(rows, np.zeros(len(rows), dtype=int))
    assert np.isfinite(found).all()
    assert found[:2000].max() < 0.1
    assert np.median(found[2000:]) == pytest.approx(1.0, abs=0.3)


def test_the_file_keeps_it_in_single_precision_and_to_the_last_bit():
    """The clusters are fitted to what the rounded whitening gives."""
    distance = fit_distance(gaussian_blocks(), 3, WIDTH)
    kept = distance.tensors()
    for name in ("whitening", "cluster_mean", "cluster_whitening"):
        assert kept[f"distance.{name}"].dtype == np.float32
    again = FeatureDistance.from_tensors(kept)
    descriptors, species = joined(gaussian_blocks())
    np.testing.assert_array_equal(again.of(descriptors, species), distance.of(descriptors, species))


def test_no_atoms_no_distance():
    with pytest.raises(DataError, match="needs a training set"):
        fit_distance([], 1, 3)
