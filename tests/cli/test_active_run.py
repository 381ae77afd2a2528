"""Lines that `mlpot active run` prints: each error with its set, its number of structures and the same two measures."""

from pathlib import Path

from ase.build import bulk
from loops import errors

from mlpot.active_learning.exploration.trajectory import Frame, Trajectory
from mlpot.active_learning.loop import LoopResult
from mlpot.active_learning.progress import FramesSelected, LabelsChanged, ModelTrained, TrajectoryEnded
from mlpot.active_learning.store.trajectories import Ending
from mlpot.cli.active_run import describe, summary

METRICS = {
    "retrained": True,
    "training_seconds": 0.24,
    "n_train": 12,
    "n_held_out": 5,
    "validation": errors(0.309) | {"fraction_below_target": 0.6, "n_structures": 3},
    "random_validation": errors(0.02) | {"fraction_below_target": 1.0},
    "random_validation_before": errors(0.024) | {"fraction_below_target": 1.0},
    "chosen_before": None,
}


def test_a_training_is_described_with_all_of_its_errors():
    assert describe(ModelTrained(METRICS, 0.1)) == (
        "trained on 12 labels in 0.2 s; held-out initial structures (3): force RMSE 309 meV/A, 60.0 % below 100 meV/A; "
        "new random validation frames, before training (2): force RMSE 24 meV/A, 100.0 % below 100 meV/A"
    )


def test_a_potential_that_was_not_retrained_has_the_reason():
    line = describe(ModelTrained(METRICS | {"retrained": False}, 0.1))
    assert line.startswith("no new labels to train on: the last potential, calibrated on 5 held-out labels in 0.2 s; ")


def test_the_last_lines_explain_errors_above_the_target():
    lines = list(summary(LoopResult(2, Path("0002.pt"), METRICS, ended="target reached: 100.0 % of ..."), 0.1))
    assert lines[0] == "done: target reached: 100.0 % of ..."
    assert "explored conditions (random validation frames) (2): force RMSE 20 meV/A, 100.0 % below" in lines[1]
    assert "held-out initial structures (3): force RMSE 309 meV/A, 60.0 % below 100 meV/A" in lines[1]
    assert "may be distorted more strongly" in lines[2]
    assert lines[3] == "0002.pt"


def test_other_steps():
    done = Trajectory("bulk", picoseconds=1.5, expected_fraction=0.5, ending=Ending("failed", "LAMMPS ended"))
    line = describe(TrajectoryEnded(0, 4, done, 0.1))
    assert line.startswith("trajectory 1/4 (bulk): 1.50 ps, 0 uncertain frames, 50.0 % of force errors expected below")
    assert line.endswith("failed: LAMMPS ended")
    done = Trajectory("bulk", frames=[Frame(bulk("Cu"), {})])
    assert "0.00 ps, 1 uncertain frame, " in describe(TrajectoryEnded(0, 4, done, 0.1))
    assert describe(LabelsChanged(3, 7, 90.0, None)) == "labels: 3 done, 7 to do, about 1.5 min left"
    assert describe(LabelsChanged(3, 7, None, "no nodes")) == "labels: 3 done, 7 to do; blocked: no nodes"
    assert describe(FramesSelected(0, 1, {})) == (
        "selected 1 frame, 1 of them for random validation; uncertain frames: none"
    )
