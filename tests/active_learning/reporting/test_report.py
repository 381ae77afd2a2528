"""The figure of a loop."""

import pytest
from loops import recorded_loop
from matplotlib.image import imread

from mlpot.active_learning.reporting.overview import iteration_rows
from mlpot.active_learning.reporting.report import draw_report, learning_curves
from mlpot.errors import StoreError


def test_the_report_is_a_picture(tmp_path):
    with recorded_loop(tmp_path) as store:
        draw_report(store, tmp_path / "report.png")
    picture = imread(tmp_path / "report.png")
    assert picture.shape[0] > 700
    assert picture[..., :3].std() > 0.05


def test_errors_before_training_belong_to_the_labels_of_the_previous_potential(tmp_path):
    with recorded_loop(tmp_path) as store:
        rows = [row for row in iteration_rows(store) if row.n_train is not None]
    labels = {name: [n_train for n_train, _ in points] for name, points in learning_curves(rows).items()}
    assert labels == {"validation": [9, 13], "random_validation_before": [9], "chosen_before": [9]}


def test_a_report_needs_a_potential(store, tmp_path):
    with pytest.raises(StoreError, match="no potential yet"):
        draw_report(store, tmp_path / "report.png")
