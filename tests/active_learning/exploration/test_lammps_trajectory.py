"""Exploration trajectories in LAMMPS: the rules of those in ASE, and runs that stop, crash or hang."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import numpy as np
import pytest
from ase.build import bulk
from loops import loop_config, written

from mlpot.active_learning.calculation.processes import MARK
from mlpot.active_learning.config import ExploreSettings, read_loop_config
from mlpot.active_learning.exploration.lammps_output import read_sigmas
from mlpot.active_learning.exploration.lammps_trajectory import LammpsTrajectory
from mlpot.active_learning.exploration.trajectory import run_trajectory
from mlpot.active_learning.initial.structures import InitialState
from mlpot.active_learning.loop import run_loop
from mlpot.active_learning.store.store import Store

pytestmark = pytest.mark.lammps

SETTINGS = {"program": "lammps", "ranks": 2, "time": 0.1, "timestep": 2.0, "interval": 5}

UNLIMITED = {"target": 1e-6, "max_uncertainty_factor": 1e9}
"""Every frame is a candidate, and none ends a trajectory."""


def copper(*times):
    return InitialState(bulk("Cu", a=3.8, cubic=True) * times, "bulk")


def explored(model, folder, state=None, seed=0, target=1e3, stop=lambda: False, **settings):
    chosen = ExploreSettings(**{**SETTINGS, **settings})
    one = LammpsTrajectory(model, chosen, target, folder / "run")
    return one.run(state or copper(2, 1, 1), np.random.default_rng(seed), stop)


def marked(folder):
    """Processes of the trajectory in a folder."""
    mark, found = f"{MARK}={folder / 'run'}".encode(), []
    for name in os.listdir("/proc"):
        with suppress(OSError, ValueError), open(f"/proc/{int(name)}/environ", "rb") as file:
            if mark in file.read().split(b"\0"):
                found.append(int(name))
    return found


def test_a_trajectory_without_uncertain_frames_is_complete(model, tmp_path):
    found = explored(model, tmp_path)
    assert (found.ending.kind, found.frames, found.n_checks) == ("complete", [], 11)
    assert found.picoseconds == pytest.approx(0.1)
    assert found.expected_fraction > 0.98
    assert len(found.random_frame.atoms) == 8
    assert list(tmp_path.iterdir()) == []


def test_intervals_are_those_of_the_uncertainty_model(model, tmp_path):
    """Also of the random frame, which is one of the eleven; temperature and pressure rise along the trajectory."""
    found = explored(model, tmp_path, **UNLIMITED, pressure=[0, 40])
    assert (found.ending.kind, len(found.frames), found.n_checks) == ("complete", 11, 11)
    for frame in [*found.frames, found.random_frame]:
        assert model.force_intervals(frame.atoms).max() == pytest.approx(frame.details["force_interval"], rel=1e-3)
        assert frame.details["program"] == "lammps"
    times = [frame.details["time"] for frame in found.frames]
    assert times == pytest.approx(np.linspace(0.0, 0.1, 11))
    temperatures = [frame.details["temperature"] for frame in found.frames]
    assert temperatures == pytest.approx(np.linspace(300.0, 1500.0, 11))
    (same,) = [frame for frame in found.frames if frame.details["time"] == found.random_frame.details["time"]]
    assert same.atoms.get_all_distances(mic=True) == pytest.approx(
        found.random_frame.atoms.get_all_distances(mic=True), abs=1e-9
    )
    volumes = [frame.atoms.get_volume() for frame in found.frames]
    assert volumes[-1] < 0.95 * volumes[0]


def test_cells_settle_at_the_pressure_as_in_ase(model, tmp_path):
    settings = {"max_uncertainty_factor": 1e9, "pressure": [40, 40], "temperature": [300, 300], "frames": 50}
    ours = explored(model, tmp_path, copper(2, 2, 2), target=1e-6, **settings).frames
    chosen = ExploreSettings(**{**SETTINGS, **settings, "program": "ase", "ranks": 1})
    theirs = run_trajectory(model, copper(2, 2, 2), chosen, 1e-6, np.random.default_rng(0)).frames
    ours, theirs = ([frame.atoms.get_volume() for frame in frames] for frames in (ours, theirs))
    assert ours[0] == pytest.approx(theirs[0])
    assert np.mean(ours[-4:]) == pytest.approx(np.mean(theirs[-4:]), rel=0.02)
    assert np.ptp(ours[-4:]) < 0.03 * ours[0]
    assert ours[-1] < 0.9 * ours[0]


def test_the_ramp_heats(model, tmp_path):
    """Thermal motion of a crystal, from the distances to its sites."""

    def spread(low, high):
        frames = explored(model, tmp_path, copper(2, 2, 2), **UNLIMITED, time=1.0, temperature=[low, high]).frames
        sites = bulk("Cu", a=3.8, cubic=True) * (2, 2, 2)
        moved = [np.array(f.atoms.positions - sites.positions) for f in frames[-4:]]
        lengths = 7.6
        return np.sqrt(np.mean([((m - lengths * np.round(m / lengths)) ** 2).mean() for m in moved]))

    assert spread(100, 900) > 2.0 * spread(100, 100)


def test_the_same_generator_gives_the_same_trajectory(model, tmp_path):
    first, second = (explored(model, tmp_path, seed=4, **UNLIMITED, pressure=[0, 5]) for _ in range(2))
    assert len(first.frames) == 11
    for one, other in zip([*first.frames, first.random_frame], [*second.frames, second.random_frame], strict=True):
        assert (one.atoms.positions == other.atoms.positions).all()
    assert first.expected_fraction == second.expected_fraction


def test_frames_are_thinned_evenly_with_the_last_one(model, tmp_path):
    times = [one.details["time"] for one in explored(model, tmp_path, **UNLIMITED, frames=3).frames]
    assert times == pytest.approx([0.0, 0.05, 0.1])


def test_large_frames_are_cut(model, tmp_path):
    found = explored(model, tmp_path, copper(3, 3, 3), **UNLIMITED, max_atoms=60, interval=25)
    assert len(found.frames) == 3
    for frame in [*found.frames, found.random_frame]:
        assert len(frame.atoms) <= 60
        assert "of 108 atoms" in frame.details["cut"]
        intervals = model.force_intervals(frame.atoms, np.array(frame.details["core"]))
        assert np.count_nonzero(intervals) == len(frame.details["core"])


def test_a_trajectory_ends_at_the_limit(model, tmp_path):
    """The limit is below the largest interval of an unlimited trajectory: it ends at the first frame above."""
    free = explored(model, tmp_path, **UNLIMITED, seed=2, temperature=[100, 1500])
    intervals = [frame.details["force_interval"] for frame in free.frames]
    limit = 0.999 * max(intervals)
    first = next(index for index, one in enumerate(intervals) if one > limit)
    assert first > 0, "the first frame must be below the limit"
    found = explored(model, tmp_path, target=limit / 1.5, max_uncertainty_factor=1.5, seed=2, temperature=[100, 1500])
    assert str(found.ending).startswith("uncertain: a force interval of")
    assert found.picoseconds == pytest.approx(free.frames[first].details["time"])
    assert found.n_checks == first + 1
    assert (found.frames[-1].atoms.positions == free.frames[first].atoms.positions).all()
    assert found.random_frame.details["time"] < found.picoseconds


def test_overlapping_atoms_end_a_trajectory_and_their_frame_is_kept(model, tmp_path):
    start = copper(2, 1, 1)
    start.atoms.positions[1] = start.atoms.positions[0] + [1.2, 0.0, 0.0]
    found = explored(model, tmp_path, start)
    assert str(found.ending).startswith("unphysical: atoms 0 and 1 (Cu-Cu) are 1.")
    assert found.frames[-1].details["unphysical"] == found.ending.reason
    assert (found.n_checks, found.random_frame) == (0, None)


def test_frames_before_a_crash_are_kept(model, tmp_path):
    def kill_lammps():
        if len(read_sigmas(tmp_path / "run" / "sigmas.txt")) >= 3:
            for process in marked(tmp_path):
                with suppress(OSError), open(f"/proc/{process}/comm") as name:
                    if name.read().strip() == "lmp":
                        os.kill(process, signal.SIGKILL)
        return False

    found = explored(model, tmp_path, **UNLIMITED, time=200.0, stop=kill_lammps)
    assert str(found.ending).startswith("failed: LAMMPS ended with status")
    assert not found.stopped
    assert 3 <= len(found.frames) <= 20
    assert found.n_checks >= 3
    assert found.random_frame is not None
    assert marked(tmp_path) == []


def test_a_run_that_hangs_is_killed(model, tmp_path):
    def halt_lammps():
        if len(read_sigmas(tmp_path / "run" / "sigmas.txt")) >= 3:
            for process in marked(tmp_path):
                os.kill(process, signal.SIGSTOP)
        return False

    found = explored(model, tmp_path, **UNLIMITED, time=200.0, timeout=3.0, stop=halt_lammps)
    assert str(found.ending).startswith("failed: LAMMPS wrote nothing for 3 s")
    assert found.n_checks >= 3
    assert marked(tmp_path) == []


def test_an_error_of_lammps_is_the_reason(model, tmp_path):
    found = explored(model, tmp_path, interval=10**10)
    assert str(found.ending).startswith("failed: LAMMPS ended with status 1: ERROR")
    assert str(10**10) in found.ending.reason


def test_an_unknown_element_is_the_reason(model, tmp_path):
    found = explored(model, tmp_path, InitialState(bulk("Si"), "bulk"))
    assert str(found.ending).startswith("failed: the model has the elements Cu, Au; got atoms of Si")
    assert list(tmp_path.iterdir()) == []


def test_a_stopped_run_leaves_nothing(model, tmp_path):
    found = explored(model, tmp_path, time=200.0, stop=(tmp_path / "run" / "sigmas.txt").exists)
    assert found.stopped
    assert marked(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


DRIVER = """
import sys
import numpy as np
from pathlib import Path
from ase.build import bulk
from mlpot.active_learning.initial.structures import InitialState
from mlpot.active_learning.config import ExploreSettings
from mlpot.active_learning.selection.uncertainty_model import UncertaintyModel
from mlpot.active_learning.exploration.lammps_trajectory import LammpsTrajectory
settings = ExploreSettings(program="lammps", ranks=2, time=500.0)
run = LammpsTrajectory(UncertaintyModel(Path(sys.argv[1])), settings, 1e3, Path(sys.argv[2]))
run.run(InitialState(bulk("Cu", cubic=True), "bulk"), np.random.default_rng(0))
"""


def test_lammps_ends_with_the_loop(model, tmp_path):
    """kill -9 of the driver."""
    driver = subprocess.Popen([sys.executable, "-c", DRIVER, str(model.path), str(tmp_path / "run")])
    while not read_sigmas(tmp_path / "run" / "sigmas.txt"):
        time.sleep(0.05)
    assert len(marked(tmp_path)) >= 3
    driver.kill()
    driver.wait()
    deadline = time.monotonic() + 20.0
    while marked(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert marked(tmp_path) == []
    assert explored(model, tmp_path).ending.kind == "complete"  # the folder is used again


EXPLORE = {"program": "lammps", "ranks": 2}


def test_a_loop_explores_with_lammps(tmp_path):
    config = loop_config(tmp_path, explore={**EXPLORE, "max_uncertainty_factor": 1e9}, stop={"iterations": 1})
    assert run_loop(config).ended == "1 iterations (stop.iterations 1)"
    with Store(config.store) as store:
        trajectories = store.steps.all("explore")
        assert [one.result["ending"]["kind"] for one in trajectories] == ["complete"] * 2
        chosen = [one for one in store.history.selections() if one.iteration == 1]
        assert {one.details["program"] for one in chosen} == {"lammps"}
        origins = [store.database.rows("SELECT origin FROM structures WHERE id = ?", (c.structure_id,)) for c in chosen]
        assert all('"program":"lammps"' in rows[0][0] and '"kind":"trajectory"' in rows[0][0] for rows in origins)


def test_trajectories_that_fail_are_events(tmp_path):
    explore = {**EXPLORE, "temperature": [5e6, 5e6], "max_uncertainty_factor": 1e9}
    result = run_loop(loop_config(tmp_path, explore=explore, stop={"iterations": 1}))
    assert result.ended == "1 iterations (stop.iterations 1)"
    with Store(tmp_path / "loop.db") as store:
        messages = [event.message for event in store.history.events() if event.kind == "trajectory"]
        refused = store.history.selections(chosen=False)
    assert len(messages) == 2
    assert messages[0].startswith("trajectory 1.0 (bulk) unphysical: ")
    assert len(refused) >= 2


@pytest.mark.faults
def test_a_loop_killed_in_a_trajectory_gives_the_same_labels(tmp_path):
    explore, stop = {**EXPLORE, "time": 0.4}, {"iterations": 1}

    def labels(path):
        with Store(path) as store:
            return {one.job.structure_id: one.label.energy for one in store.labelled()}

    (tmp_path / "undisturbed").mkdir()
    run_loop(loop_config(tmp_path / "undisturbed", explore=explore, stop=stop))
    path = written(tmp_path, explore=explore, stop=stop)
    for name in ("trajectory-1.0", "trajectory-1.1"):
        process = subprocess.Popen([sys.executable, "-m", "mlpot", "active", "run", str(path)], start_new_session=True)
        while not read_sigmas(tmp_path / "loop.work" / name / "sigmas.txt"):
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
        process.wait()
    run_loop(read_loop_config(path))
    assert labels(tmp_path / "loop.db") == labels(tmp_path / "undisturbed" / "loop.db")
