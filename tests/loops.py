"""Small loops of active learning with EMT as the DFT code, a few seconds each, and records of a loop."""

from contextlib import contextmanager

import yaml
from labelling import rattled_copper

from mlpot.active_learning.config import read_loop_config
from mlpot.active_learning.store.history import SelectionRecord
from mlpot.active_learning.store.store import Store
from mlpot.active_learning.store.trajectories import Ending, FrameRecord, TrajectoryRecord

SMALL = {
    "systems": [{"structure": "Cu:fcc:3.6", "rattle": [0.05, 0.2], "rattles": 3, "strains": 2, "vacancies": True}],
    "label": {"code": "emt", "check_every": 0, "keep_outputs": False},
    "explore": {
        "trajectories": 2,
        "time": 0.06,
        "timestep": 2.0,
        "temperature": [300, 1200],
        "interval": 5,
        "max_uncertainty_factor": 50.0,
    },
    "select": {"batch": 2, "random_validation": 1},
    "learn": {
        "model": {
            "cutoff": 4.0,
            "n_channels": 4,
            "lmax": 1,
            "correlation": 2,
            "n_radial": 4,
            "readout_width": 4,
            "zbl": False,
        },
        "training": {"steps": 40, "batch_atoms": 12},
        "members": 3,
    },
    "stop": {"force_error": 0.02, "iterations": 2},
}


def written(folder, **sections):
    """YAML of a small loop, with changes in some sections."""
    values = {name: dict(section) if isinstance(section, dict) else section for name, section in SMALL.items()}
    for name, section in sections.items():
        values[name] = {**values[name], **section} if isinstance(section, dict) else section
    path = folder / "loop.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def loop_config(folder, **sections):
    """Configuration of a small loop, with changes in some sections."""
    return read_loop_config(written(folder, **sections))


def record_trajectory(
    store,
    iteration,
    number=0,
    *,
    n_frames=0,
    ending=Ending(),  # noqa: B008  # immutable
    expected_fraction=0.95,
    picoseconds=1.0,
    n_checks=10,
    seconds=1.0,
):
    """Record a finished exploration step."""
    frames = [FrameRecord("x", {})] * n_frames
    record = TrajectoryRecord("bulk", frames, None, picoseconds, n_checks, expected_fraction, ending, [])
    store.steps.begin(iteration, "explore", number)
    store.steps.finish(iteration, "explore", number, seconds=seconds, result=record.as_values())


def record_step(store, iteration, name, seconds, result):
    """Record a finished step."""
    store.steps.begin(iteration, name)
    store.steps.finish(iteration, name, seconds=seconds, result=result)


def record_labelling(store, iteration, ended, seconds, failed, calculations):
    """Record a finished labelling step, with the end and the duration of each of its calculations."""
    record_step(store, iteration, "label", seconds, {"failed": failed})
    database = store.database
    database.write("UPDATE steps SET ended = ? WHERE name = 'label' AND iteration = ?", (ended, iteration))
    job = database.row("SELECT id FROM jobs")["id"]
    session = store.jobs.begin_session()
    for end, length in calculations:
        number = database.number("SELECT count(*) FROM runs")
        values = (job, number, session, end - length, end, length)
        database.write("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, 'done', NULL)", values)


def errors(rmse):
    """Errors as a training records them."""
    points = {"sigma": [0.1, 0.2] * 20, "error": [0.05, 0.3] * 20}
    return {"forces_rmse": rmse, "fraction_below_target": 0.5, "coverage": 0.9, "n_structures": 2, **points}


@contextmanager
def recorded_loop(folder):
    """A store with the records of two iterations, and of a third one that is running."""
    config = loop_config(folder)
    with Store(config.store, create=True) as store:
        structure = store.add_structure(rattled_copper(1)[0], {"kind": "trajectory", "start": "bulk"})
        details = {"part": "train", "kind": "chosen", "temperature": 800.0, "force_interval": 0.4}
        store.history.add_selection(SelectionRecord(structure, 1, True, "uncertain", details, None))
        record_step(store, 0, "select", 1.0, {})
        store.jobs.add(structure, store.add_settings(config.label.identity()))
        record_labelling(store, 0, 1000.0, 100.0, 0, [(950.0, 50.0), (970.0, 60.0), (996.0, 46.0)])  # overlapping
        record_step(store, 0, "learn", 60.0, {"training_seconds": 55.0, "n_train": 9, "validation": errors(0.2)})
        record_trajectory(store, 1, 0, picoseconds=1.5, n_checks=10, expected_fraction=0.8, seconds=4.0)
        record_trajectory(store, 1, 1, picoseconds=0.5, n_checks=30, expected_fraction=0.4, seconds=2.0)
        record_step(store, 1, "select", 2.0, {})
        record_labelling(store, 1, 2000.0, 20.0, 1, [(1500.0, 10.0), (2000.0, 20.0)])  # one of an earlier start
        rmse = {"validation": 0.15, "chosen_before": 0.3, "random_validation_before": 0.18, "chosen_after": 0.1}
        metrics = {"training_seconds": 20.0, "n_train": 13} | {name: errors(one) for name, one in rmse.items()}
        record_step(store, 1, "learn", 20.0, metrics)
        store.steps.begin(2, "explore")
        yield store
