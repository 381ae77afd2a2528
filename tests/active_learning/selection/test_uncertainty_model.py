"""Force intervals of a calibrated committee."""

import numpy as np
import pytest

from mlpot.active_learning.selection.uncertainty_model import UncertaintyModel
from mlpot.errors import ConfigError


def test_intervals_contain_nine_of_ten_errors(calibrated):
    """Of the data that they were calibrated on."""
    model, structures = calibrated
    inside, fractions = [], []
    for one in structures:
        if one.forces is not None:
            intervals = model.force_intervals(one.atoms)
            errors = np.abs(model.calculator.get_property("forces", one.atoms) - one.forces)
            inside += (errors <= intervals[:, None]).ravel().tolist()
            fractions += model.expected_fraction(intervals, 0.3).tolist()
    assert np.mean(inside) == pytest.approx(0.9, abs=0.02)
    assert model.expected_fraction(np.array([0.3]), 0.3) == pytest.approx(0.9)
    assert 0.0 < np.mean(fractions) < 0.99


def test_only_the_core_of_a_part_counts(calibrated):
    model, structures = calibrated
    atoms = next(one.atoms for one in structures if len(one.atoms) == 4)
    kept = model.force_intervals(atoms, np.array([1, 2]))
    assert kept.tolist() == (model.force_intervals(atoms) * [0, 1, 1, 0]).tolist()


def test_a_potential_without_error_bars_is_refused(model_file):
    with pytest.raises(ConfigError, match="no calibrated error bars"):
        UncertaintyModel(model_file)
