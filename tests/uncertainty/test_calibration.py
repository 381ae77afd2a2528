"""Error bars from numbers whose distribution is known: scales are found, coverage holds, nothing is called certain."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlpot.errors import DataError
from mlpot.uncertainty.calibration import calibrate, conformal_quantiles
from mlpot.uncertainty.quality import ErrorTable, auroc, force_quality, force_sigmas, sigmas

SCALES = np.array([1.5, 4.0])


def table(n_atoms=6000, seed=0, tail=None, distances=False):
    """Errors of which sigma is the spread times a scale of the element, and the distance factor."""
    rng = np.random.default_rng(seed)
    species = rng.integers(2, size=n_atoms)
    spreads = rng.lognormal(-4.0, 0.8, n_atoms)
    away = rng.lognormal(0.0, 0.5, n_atoms) if distances else np.zeros(0)
    noise = rng.normal(size=(n_atoms, 3)) if tail is None else rng.standard_t(tail, size=(n_atoms, 3))
    around = 0.7 * away
    sizes = np.sqrt(spreads) * around * np.maximum(1.0, around / np.quantile(around, 0.9)) if distances else spreads
    errors = noise * (SCALES[species] * sizes)[:, None]
    energy = rng.lognormal(-2.0, 0.5, 200)
    return ErrorTable(
        species, errors, spreads, 3.0 * energy * rng.normal(size=200), energy,
        np.zeros((0, 3, 3)), np.zeros((0, 3, 3)), away, around, np.arange(n_atoms) // 20, n_atoms // 20,
    )  # fmt: skip


@pytest.mark.parametrize("distances", [False, True])
def test_scales_are_found(distances):
    calibration = calibrate(table(distances=distances), 2, None)
    np.testing.assert_allclose(calibration.forces.scale, SCALES, rtol=0.03)
    assert calibration.energy.scale[0] == pytest.approx(3.0, rel=0.15)
    assert calibration.stress is None
    assert (calibration.forces.distance_limit is not None) == distances
    # Gaussian errors: the quantiles are those of a normal distribution
    place = calibration.forces.levels.index(0.9)
    assert calibration.forces.quantiles[place] == pytest.approx(1.645, rel=0.03)


@pytest.mark.parametrize("tail", [None, 3])
def test_coverage_holds_on_new_data_whatever_the_distribution(tail):
    calibration = calibrate(table(tail=tail), 2, None)
    quality = force_quality(table(seed=1, tail=tail), calibration.forces)
    for level, inside in quality.coverage.items():
        assert inside == pytest.approx(level, abs=0.015)
    assert quality.spearman > 0.5
    assert quality.auroc > 0.8


def test_an_element_with_few_atoms_takes_the_scale_of_all():
    data = table(n_atoms=400)
    rare = np.zeros(400, dtype=int)
    rare[:40] = 1
    errors = np.where(rare[:, None] == 1, 50.0, 1.0) * data.force_errors
    scale = calibrate(data._replace(species=rare, force_errors=errors), 3, None).forces.scale
    assert scale[1] == scale[2] > scale[0]


def test_atoms_whose_members_happen_to_agree_do_not_set_the_scale():
    data = table()
    spreads = data.force_spreads.copy()
    spreads[:60] *= 1e-6
    scale = calibrate(data._replace(force_spreads=spreads), 2, None).forces.scale
    np.testing.assert_allclose(scale, SCALES, rtol=0.05)


def test_atoms_that_symmetry_holds_in_place_count_neither_in_scale_nor_in_coverage():
    """Half of the atoms: in perfect crystals there is only rounding in errors and spreads."""
    data = table()
    spreads, errors = data.force_spreads.copy(), data.force_errors.copy()
    spreads[::2] = 1e-9
    errors[::2] = 1e-5
    fixed = data._replace(force_spreads=spreads, force_errors=errors)
    calibration = calibrate(fixed, 2, None)
    np.testing.assert_allclose(calibration.forces.scale, SCALES, rtol=0.05)
    quality = force_quality(fixed, calibration.forces)
    assert quality.n_atoms == 3000
    assert quality.coverage[0.9] == pytest.approx(0.9, abs=0.01)
    assert quality.mean_sigma == pytest.approx(quality.rmse, rel=0.1)


def test_labels_that_are_reproduced_exactly_calibrate_nothing():
    data = table(n_atoms=100)
    with pytest.raises(DataError, match="reproduced exactly"):
        calibrate(data._replace(force_errors=np.zeros((100, 3))), 2, None)


def test_without_forces_or_spread_there_is_no_calibration():
    data = table(n_atoms=100)
    with pytest.raises(DataError, match="no labelled forces"):
        calibrate(data._replace(force_errors=np.zeros((0, 3))), 2, None)
    with pytest.raises(DataError, match="agree exactly"):
        calibrate(data._replace(force_spreads=np.zeros(100)), 2, None)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=40), st.floats(0.05, 0.95))
def test_conformal_quantiles_cover_the_scores_they_come_from(scores, level):
    quantile = conformal_quantiles(np.array(scores), [level])[0]
    assert quantile in scores
    assert np.mean(np.array(scores) <= quantile) >= min(level, 1.0) - 1e-12


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=30))
def test_auroc_counts_pairs(rows):
    scores, positive = np.array([row[0] for row in rows], dtype=float), np.array([row[1] for row in rows])
    pairs = [(p > n) + 0.5 * (p == n) for p in scores[positive] for n in scores[~positive]]
    expected = np.mean(pairs) if pairs else np.nan
    assert auroc(scores, positive) == pytest.approx(expected, nan_ok=True)


def test_sigma_grows_with_the_distance_of_the_neighborhood():
    scaling = calibrate(table(distances=True), 2, None).forces
    near = table(n_atoms=20, distances=True)
    near = near._replace(neighborhood_distances=np.full(20, scaling.distance_limit))
    inside = near._replace(neighborhood_distances=0.5 * near.neighborhood_distances)
    far = near._replace(neighborhood_distances=2.0 * near.neighborhood_distances)
    np.testing.assert_allclose(sigmas(inside, scaling), 0.5 * sigmas(near, scaling))
    np.testing.assert_allclose(sigmas(far, scaling), 4.0 * sigmas(near, scaling))
    np.testing.assert_array_equal(sigmas(near._replace(distances=9.0 * near.distances), scaling), sigmas(near, scaling))


def test_sigma_is_never_made_without_a_distance_that_it_needs():
    scaling = calibrate(table(distances=True), 2, None).forces
    with pytest.raises(ValueError, match="require the feature distances"):
        force_sigmas(scaling, np.ones(2), np.zeros(2, dtype=int), None)
