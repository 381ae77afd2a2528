"""Records of trajectories as JSON, and what counts as a failure."""

import json

import pytest

from mlpot.active_learning.store.trajectories import Ending, FrameRecord, TrajectoryRecord

FRAME = FrameRecord("abc", {"time": 0.5, "core": [1, 2]})


@pytest.mark.parametrize("random_frame", [None, FRAME])
def test_a_record_is_the_same_after_json(random_frame):
    record = TrajectoryRecord("bulk", [FRAME], random_frame, 1.5, 10, 0.9, Ending("uncertain", "why"), ["too large"])
    assert TrajectoryRecord.from_values(json.loads(json.dumps(record.as_values()))) == record


@pytest.mark.parametrize(
    ("frames", "picoseconds", "ending", "failure"),
    [
        ([], 1.0, Ending("failed", "no room"), "no room"),
        ([FRAME], 0.0, Ending("failed", "at its start"), "at its start"),
        ([FRAME], 1.0, Ending("failed", "late"), None),
        ([], 1.0, Ending(), None),
        ([], 0.0, Ending("unphysical", "overlap"), None),
    ],
)
def test_a_failure_leaves_no_frame_to_label(frames, picoseconds, ending, failure):
    assert TrajectoryRecord("bulk", frames, None, picoseconds, 1, 0.5, ending, []).failure == failure
