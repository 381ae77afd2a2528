"""Rules that end a loop, on stores with recorded trajectories and trainings."""

import pytest
from labelling import add_jobs
from loops import loop_config, record_trajectory

from mlpot.active_learning.config import StopSettings
from mlpot.active_learning.labelling.driver import label_waiting
from mlpot.active_learning.stop import reason_to_end
from mlpot.active_learning.store.store import Store
from mlpot.active_learning.store.trajectories import Ending


def record_training(store, iteration, fraction):
    store.steps.begin(iteration, "learn")
    errors = {"fraction_below_target": fraction, "n_structures": 2}
    store.steps.finish(iteration, "learn", seconds=1.0, result={"random_validation_before": errors})


def reason(store, iteration, settings="", **stop):
    return reason_to_end(store, StopSettings(**{"iterations": 100, **stop}), settings, iteration)


def test_a_trajectory_that_did_not_end_does_not_count(store):
    store.steps.begin(1, "explore", 1)
    record_trajectory(store, 1, picoseconds=5.0)
    assert "in 5 ps" in reason(store, 1, converged_time=3.0)


@pytest.mark.parametrize(
    ("measured", "trajectories", "ends"),
    [
        (0.92, [{"n_frames": 3}], True),
        (0.88, [{"n_frames": 3}], False),
        (0.92, [{"expected_fraction": 0.85}], False),
        (0.92, [{"ending": Ending("uncertain", "...")}], False),
        (0.92, [{"expected_fraction": 0.97}, {"expected_fraction": 0.85, "number": 1}], True),
    ],
)
def test_the_target_must_be_expected_and_measured(store, measured, trajectories, ends):
    for one in trajectories:
        record_trajectory(store, 1, **one)
    record_training(store, 1, measured)
    found = reason(store, 1, force_error=0.1)
    assert (found is not None and "92.0 %" in found and "below 0.1 eV/A" in found) == ends


def test_converged_time_counts_from_the_last_uncertain_frame(store):
    record_trajectory(store, 1, picoseconds=5.0)
    record_trajectory(store, 2, n_frames=1)
    record_trajectory(store, 3, picoseconds=1.5)
    record_trajectory(store, 3, picoseconds=1.0, number=1)
    assert reason(store, 3, converged_time=3.0) is None
    record_trajectory(store, 4, picoseconds=1.0)
    assert "in 3.5 ps" in reason(store, 4, converged_time=3.0)
    record_trajectory(store, 5, ending=Ending("failed", "..."))
    assert reason(store, 5, converged_time=0.1) is None


def test_budgets(tmp_path):
    config = loop_config(tmp_path)
    with Store(config.store, create=True) as store:
        settings = add_jobs(store, config.label, 3)
        label_waiting(store, config.label)
        assert reason(store, 7, settings) is None
        assert "3 labels (stop.labels 3)" in reason(store, 7, settings, labels=3)
        assert "stop.cost" in reason(store, 7, settings, cost=1e-6)
        assert "7 iterations" in reason(store, 7, settings, iterations=7)
