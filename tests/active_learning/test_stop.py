"""Rules that end a loop, on stores with what walks and trainings left there."""

import pytest
from labelling import ask
from loops import loop_config

from mlpot.active_learning.labelling.driver import label_waiting
from mlpot.active_learning.stop import reason_to_end
from mlpot.active_learning.store.store import Store


def walked(store, iteration, *, frames=0, ended="complete", share=0.95, picoseconds=1.0, index=0):
    name = f"explore/{index}"
    store.progress.begin(iteration, name)
    result = {
        "frames": [{"structure": "x"}] * frames,
        "ended": ended,
        "picoseconds": picoseconds,
        "looks": 10,
        "expected_share": share,
    }
    store.progress.finish(iteration, name, 1.0, result)


def learned(store, iteration, share):
    store.progress.begin(iteration, "learn")
    store.progress.finish(iteration, "learn", 1.0, {"control_before": {"share_below_target": share}})


def reason(store, folder, iteration, **stop):
    config = loop_config(folder, stop={"iterations": 100, **stop})
    return reason_to_end(store, config, store.add_settings(config.label.identity()), iteration)


def test_a_walk_that_did_not_end_is_nothing_to_go_by(store, tmp_path):
    store.progress.begin(1, "explore/1")
    walked(store, 1, picoseconds=5.0)
    assert "in 5 ps" in reason(store, tmp_path, 1, quiet_time=3.0)


@pytest.mark.parametrize(
    ("measured", "walks", "ends"),
    [
        (0.92, [{"frames": 3}], True),
        (0.88, [{"frames": 3}], False),
        (0.92, [{"share": 0.85}], False),
        (0.92, [{"ended": "untrusted: ..."}], False),
        (0.92, [{"share": 0.97}, {"share": 0.85, "index": 1}], True),
    ],
)
def test_the_target_is_expected_and_measured(store, tmp_path, measured, walks, ends):
    for one in walks:
        walked(store, 1, **one)
    learned(store, 1, measured)
    found = reason(store, tmp_path, 1, force_error=0.1)
    assert (found is not None and "92.0 %" in found and "below 0.1 eV/A" in found) == ends


def test_quiet_time_counts_from_the_last_uncertain_frame(store, tmp_path):
    walked(store, 1, picoseconds=5.0)
    walked(store, 2, frames=1)
    walked(store, 3, picoseconds=1.5)
    walked(store, 3, picoseconds=1.0, index=1)
    assert reason(store, tmp_path, 3, quiet_time=3.0) is None
    walked(store, 4, picoseconds=1.0)
    assert "in 3.5 ps" in reason(store, tmp_path, 4, quiet_time=3.0)
    walked(store, 5, ended="failed: ...")
    assert reason(store, tmp_path, 5, quiet_time=0.1) is None


def test_budgets(tmp_path):
    config = loop_config(tmp_path)
    with Store(config.store, create=True) as store:
        ask(store, config.label, 3)
        label_waiting(store, config.label)
        assert reason(store, tmp_path, 7) is None
        assert "3 labels (stop.labels 3)" in reason(store, tmp_path, 7, labels=3)
        assert "stop.cost" in reason(store, tmp_path, 7, cost=1e-6)
        assert "7 iterations" in reason(store, tmp_path, 7, iterations=7)
