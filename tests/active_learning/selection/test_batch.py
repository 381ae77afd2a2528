"""Selection of the frames of an iteration: what is chosen, and that nothing is written."""

import sqlite3

import numpy as np
import pytest
from ase.build import bulk

from mlpot.active_learning.config import SelectSettings
from mlpot.active_learning.selection.batch import select_frames
from mlpot.active_learning.store.trajectories import Ending, FrameRecord, TrajectoryRecord

LABELS = {"code": "emt", "parameters": {}}


def copper(seed, amplitude=0.2):
    atoms = bulk("Cu", a=3.8, cubic=True)
    atoms.rattle(amplitude, seed=seed)
    return atoms


@pytest.fixture
def explored(store):
    """A trajectory with three uncertain frames, one of them unphysical, and two with a random frame alone."""
    overlap = copper(0)
    overlap.positions[1] = overlap.positions[0] + [0.5, 0.0, 0.0]
    frames = [FrameRecord(store.add_structure(copper(seed)), {"time": 0.1}) for seed in (1, 2)]
    frames.append(FrameRecord(store.add_structure(overlap), {"time": 0.2, "unphysical": "overlap"}))
    random = [FrameRecord(store.add_structure(copper(seed)), {"time": 0.3}) for seed in (3, 4)]
    records = [TrajectoryRecord("bulk", frames, None, 1.0, 10, 0.9, Ending(), [])]
    records += [TrajectoryRecord("bulk", [], one, 1.0, 10, 0.9, Ending(), []) for one in random]
    for number, record in enumerate(records):
        store.steps.begin(1, "explore", number)
        store.steps.finish(1, "explore", number, seconds=1.0, result=record.as_values())
    return store


def select(store, model, **settings):
    return select_frames(
        store,
        model,
        SelectSettings(**settings),
        iteration=1,
        model_id="m",
        labels=store.add_settings(LABELS),
        labelled=[copper(9, 0.01)],
        seed=0,
    )


def test_frames_and_random_validation_frames(explored, model):
    batch = select(explored, model, min_distance=0.0)
    assert batch.decisions == {"chosen": 2, "unphysical": 1}
    assert (len(batch.structures), batch.n_random) == (4, 2)
    kinds = [(one.chosen, one.details["part"], one.details["kind"]) for one in batch.records]
    assert kinds[-1] == (True, "held_out", "random_validation")
    assert (False, "train", "unphysical") in kinds
    assert all(one.details["trajectory"] in (0, 1, 2) for one in batch.records)


def test_known_random_frames_are_not_drawn_again(explored, model):
    known = explored.structure(explored.steps.result(1, "explore", 1)["random_frame"]["structure"])
    explored.add_jobs([explored.add_structure(known)], explored.add_settings(LABELS))
    batch = select(explored, model)
    assert batch.n_random == 1
    np.testing.assert_array_less(0, len(batch.structures))


def test_nothing_is_written_while_frames_are_selected(explored, model):
    """It needs no lock: another process may be writing."""
    settings = explored.add_settings(LABELS)
    writer = sqlite3.connect(explored.path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    explored.database.rows("PRAGMA busy_timeout = 100")
    try:
        batch = select_frames(
            explored, model, SelectSettings(), iteration=1, model_id="m", labels=settings, labelled=[], seed=0
        )
    finally:
        writer.close()
    assert batch.n_random == 2
