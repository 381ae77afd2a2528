"""Walks in LAMMPS: the rules of those in ASE, and a LAMMPS that stops, crashes, or is left alone."""

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

from mlpot.active_learning.config import ExploreSettings, read_loop_config
from mlpot.active_learning.exploration.lammps_output import count_frames, read_bars
from mlpot.active_learning.exploration.lammps_trajectory import LammpsWalk
from mlpot.active_learning.exploration.trajectory import walk, weights
from mlpot.active_learning.initial import Start
from mlpot.active_learning.labelling.processes import MARK
from mlpot.active_learning.loop import run_loop
from mlpot.active_learning.store.store import Store
from mlpot.errors import ConfigError

pytestmark = pytest.mark.lammps
SETTINGS = {"program": "lammps", "ranks": 2, "time": 0.1, "timestep": 2.0, "interval": 5}


def copper(*times):
    return Start(bulk("Cu", a=3.8, cubic=True) * times, "bulk")


def done(judge, folder, start=None, seed=0, target=1e3, stop=lambda: False, **settings):
    chosen = ExploreSettings(**{**SETTINGS, **settings})
    one = LammpsWalk(judge[0], chosen, target, folder / "walk")
    return one.run(start or copper(2, 1, 1), np.random.default_rng(seed), stop)


def marked(folder):
    """Processes of the walk in a folder."""
    mark, found = f"{MARK}={folder / 'walk'}".encode(), []
    for name in os.listdir("/proc"):
        with suppress(OSError, ValueError), open(f"/proc/{int(name)}/environ", "rb") as file:
            if mark in file.read().split(b"\0"):
                found.append(int(name))
    return found


def test_a_quiet_walk_is_complete(judge, tmp_path):
    quiet = done(judge, tmp_path)
    assert (quiet.ended, quiet.frames, quiet.looks) == ("complete", [], 11)
    assert quiet.picoseconds == pytest.approx(0.1)
    assert quiet.expected_share > 0.98
    assert len(quiet.control.atoms) == 8
    assert list(tmp_path.iterdir()) == []


def test_frames_and_bars_are_those_of_the_judge(judge, tmp_path):
    """Also of the control frame, which is one of the eleven; heated and pressed along the walk."""
    found = done(judge, tmp_path, target=1e-6, trust=1e9, pressure=[0, 40])
    assert (found.ended, len(found.frames), found.looks) == ("complete", 11, 11)
    for frame in [*found.frames, found.control]:
        assert judge[0].bars(frame.atoms).max() == pytest.approx(frame.details["bar"], rel=1e-3)
        assert frame.details["program"] == "lammps"
    times = [frame.details["time"] for frame in found.frames]
    assert times == pytest.approx(np.linspace(0.0, 0.1, 11))
    temperatures = [frame.details["temperature"] for frame in found.frames]
    assert temperatures == pytest.approx(np.linspace(300.0, 1500.0, 11))
    (same,) = [frame for frame in found.frames if frame.details["time"] == found.control.details["time"]]
    assert same.atoms.get_all_distances(mic=True) == pytest.approx(
        found.control.atoms.get_all_distances(mic=True), abs=1e-9
    )
    volumes = [frame.atoms.get_volume() for frame in found.frames]
    assert volumes[-1] < 0.95 * volumes[0]


def test_cells_settle_at_the_pressure_as_in_ase(judge, tmp_path):
    settings = {"trust": 1e9, "pressure": [40, 40], "temperature": [300, 300], "frames": 50}
    ours = done(judge, tmp_path, copper(2, 2, 2), target=1e-6, **settings).frames
    chosen = ExploreSettings(**{**SETTINGS, **settings, "program": "ase", "ranks": 1})
    theirs = walk(judge[0], copper(2, 2, 2), chosen, 1e-6, np.random.default_rng(0)).frames
    ours, theirs = ([frame.atoms.get_volume() for frame in frames] for frames in (ours, theirs))
    assert ours[0] == pytest.approx(theirs[0])
    assert np.mean(ours[-4:]) == pytest.approx(np.mean(theirs[-4:]), rel=0.02)
    assert np.ptp(ours[-4:]) < 0.03 * ours[0]
    assert ours[-1] < 0.9 * ours[0]


def test_the_ramp_heats(judge, tmp_path):
    """Thermal motion of a crystal, from the distances to its sites."""

    def spread(low, high):
        frames = done(
            judge, tmp_path, copper(2, 2, 2), target=1e-6, trust=1e9, time=1.0, temperature=[low, high]
        ).frames
        sites = bulk("Cu", a=3.8, cubic=True) * (2, 2, 2)
        moved = [np.array(f.atoms.positions - sites.positions) for f in frames[-4:]]
        lengths = 7.6
        return np.sqrt(np.mean([((m - lengths * np.round(m / lengths)) ** 2).mean() for m in moved]))

    assert spread(100, 900) > 2.0 * spread(100, 100)


def test_the_same_generator_gives_the_same_walk(judge, tmp_path):
    first, second = (done(judge, tmp_path, seed=4, target=1e-6, trust=1e9, pressure=[0, 5]) for _ in range(2))
    assert len(first.frames) == 11
    for one, other in zip([*first.frames, first.control], [*second.frames, second.control], strict=True):
        assert (one.atoms.positions == other.atoms.positions).all()
    assert first.expected_share == second.expected_share


def test_frames_are_thinned_evenly_and_the_last_one_stays(judge, tmp_path):
    times = [one.details["time"] for one in done(judge, tmp_path, target=1e-6, trust=1e9, frames=3).frames]
    assert times == pytest.approx([0.0, 0.05, 0.1])


def test_large_frames_are_cut(judge, tmp_path):
    found = done(judge, tmp_path, copper(3, 3, 3), target=1e-6, trust=1e9, max_atoms=60, interval=25)
    assert len(found.frames) == 3
    for frame in [*found.frames, found.control]:
        assert len(frame.atoms) <= 60
        assert "of 108 atoms" in frame.details["cut"]
        bars = weights(judge[0], frame.atoms, np.array(frame.details["core"]))
        assert np.count_nonzero(bars) == len(frame.details["core"])


def test_a_walk_ends_where_it_is_lost(judge, tmp_path):
    """The target in the middle of what a walk on free terms meets: it ends at the first frame beyond trust."""
    free = done(judge, tmp_path, target=1e-6, trust=1e9, seed=2, temperature=[100, 1500])
    bars = [frame.details["bar"] for frame in free.frames]
    limit = 0.999 * max(bars)
    first = next(index for index, bar in enumerate(bars) if bar > limit)
    assert first > 0, "not a walk that begins lost"
    found = done(judge, tmp_path, target=limit / 1.5, trust=1.5, seed=2, temperature=[100, 1500])
    assert found.ended.startswith("untrusted: an error bar of")
    assert found.picoseconds == pytest.approx(free.frames[first].details["time"])
    assert found.looks == first + 1
    assert (found.frames[-1].atoms.positions == free.frames[first].atoms.positions).all()
    assert found.control.details["time"] < found.picoseconds


def test_atoms_in_each_other_end_a_walk_with_their_frame(judge, tmp_path):
    start = copper(2, 1, 1)
    start.atoms.positions[1] = start.atoms.positions[0] + [1.2, 0.0, 0.0]
    found = done(judge, tmp_path, start)
    assert found.ended.startswith("unphysical: atoms 0 and 1 (Cu-Cu) are 1.")
    assert found.frames[-1].details["unphysical"] in found.ended
    assert (found.looks, found.control) == (0, None)


def test_a_crash_is_told_and_what_was_found_is_kept(judge, tmp_path):
    def kill_lammps():
        if len(read_bars(tmp_path / "walk" / "bars.txt")) >= 3:
            for process in marked(tmp_path):
                with suppress(OSError), open(f"/proc/{process}/comm") as name:
                    if name.read().strip() == "lmp":
                        os.kill(process, signal.SIGKILL)
        return False

    found = done(judge, tmp_path, target=1e-6, trust=1e9, time=200.0, stop=kill_lammps)
    assert found.ended.startswith("failed: LAMMPS ended with status")
    assert not found.stopped
    assert 3 <= len(found.frames) <= 20
    assert found.looks >= 3
    assert found.control is not None
    assert marked(tmp_path) == []


def test_a_walk_that_hangs_is_ended_and_told(judge, tmp_path):
    def halt_lammps():
        if len(read_bars(tmp_path / "walk" / "bars.txt")) >= 3:
            for process in marked(tmp_path):
                os.kill(process, signal.SIGSTOP)
        return False

    found = done(judge, tmp_path, target=1e-6, trust=1e9, time=200.0, patience=1.0, stop=halt_lammps)
    assert found.ended.startswith("failed: LAMMPS did not get on for 1 s")
    assert found.looks >= 3
    assert marked(tmp_path) == []


def test_a_script_that_lammps_refuses_is_told(judge, tmp_path):
    found = done(judge, tmp_path, interval=10**10)
    assert found.ended.startswith("failed: LAMMPS ended with status 1: ERROR")
    assert str(10**10) in found.ended


def test_an_unknown_element_is_told(judge, tmp_path):
    found = done(judge, tmp_path, Start(bulk("Si"), "bulk"))
    assert found.ended.startswith("failed: the model has the elements Cu, Au; got atoms of Si")
    assert list(tmp_path.iterdir()) == []


def test_a_walk_that_is_stopped_leaves_nothing(judge, tmp_path):
    found = done(judge, tmp_path, time=200.0, stop=(tmp_path / "walk" / "bars.txt").exists)
    assert found.stopped
    assert marked(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


DRIVER = """
import sys
import numpy as np
from pathlib import Path
from ase.build import bulk
from mlpot.active_learning.initial import Start
from mlpot.active_learning.config import ExploreSettings
from mlpot.active_learning.selection.uncertainty_model import Judge
from mlpot.active_learning.exploration.lammps_trajectory import LammpsWalk
settings = ExploreSettings(program="lammps", ranks=2, time=500.0)
walk = LammpsWalk(Judge(Path(sys.argv[1])), settings, 1e3, Path(sys.argv[2]))
walk.run(Start(bulk("Cu", cubic=True), "bulk"), np.random.default_rng(0))
"""


def test_lammps_ends_with_the_loop(judge, tmp_path):
    """kill -9 of the driver."""
    driver = subprocess.Popen([sys.executable, "-c", DRIVER, str(judge[0].path), str(tmp_path / "walk")])
    while not read_bars(tmp_path / "walk" / "bars.txt"):
        time.sleep(0.05)
    assert len(marked(tmp_path)) >= 3
    driver.kill()
    driver.wait()
    deadline = time.monotonic() + 20.0
    while marked(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert marked(tmp_path) == []
    assert done(judge, tmp_path).ended == "complete"  # the folder is taken over


def test_torn_files_are_read_to_the_last_whole_frame(tmp_path):
    look = "ITEM: TIMESTEP\n{}\nITEM: NUMBER OF ATOMS\n2\nITEM: BOX BOUNDS pp pp pp\n" + 3 * "0 1\n" + "ITEM: ATOMS c\n"
    look += "1.5\n0.25\n"
    whole = look.format(0) + look.format(5)
    for missing in (0, 1, 5, 30, 100):
        (tmp_path / "bars").write_text(whole[: len(whole) - missing])
        bars = read_bars(tmp_path / "bars")
        assert len(bars) == (1 if missing else 2)
        assert bars[0].tolist() == [1.5, 0.25]
    frames = "1\nLattice\nCu 0 0 0\n" * 2
    for missing, count in ((0, 2), (1, 1), (12, 1), (18, 1)):
        (tmp_path / "frames").write_text(frames[: len(frames) - missing])
        assert count_frames(tmp_path / "frames") == count


EXPLORE = {"program": "lammps", "ranks": 2}


def test_a_loop_explores_with_lammps(tmp_path):
    config = loop_config(tmp_path, explore={**EXPLORE, "trust": 1e9}, stop={"iterations": 1})
    assert run_loop(config).ended == "1 iterations (stop.iterations 1)"
    with Store(config.store) as store:
        walks = store.progress.steps("explore")
        assert [one.result["ended"] for one in walks] == ["complete"] * 2
        chosen = [one for one in store.history.selections() if one.iteration == 1]
        assert {one.details["program"] for one in chosen} == {"lammps"}
        origins = [store.database.rows("SELECT origin FROM structures WHERE id = ?", (c.structure_id,)) for c in chosen]
        assert all('"program":"lammps"' in rows[0][0] and '"kind":"walk"' in rows[0][0] for rows in origins)


def test_walks_that_fail_are_events_and_the_loop_goes_on(tmp_path):
    explore = {**EXPLORE, "temperature": [5e6, 5e6], "trust": 1e9}
    result = run_loop(loop_config(tmp_path, explore=explore, stop={"iterations": 1}))
    assert result.ended == "1 iterations (stop.iterations 1)"
    with Store(tmp_path / "loop.db") as store:
        told = [event.message for event in store.history.events() if event.kind == "walk"]
        refused = store.history.selections(chosen=False)
    assert len(told) == 2
    assert told[0].startswith("walk 1.0 (bulk) unphysical: ")
    assert len(refused) >= 2


@pytest.mark.faults
def test_a_loop_that_is_killed_in_a_walk_ends_as_one_that_was_not(tmp_path):
    explore, stop = {**EXPLORE, "time": 0.4}, {"iterations": 1}

    def labels(path):
        with Store(path) as store:
            return {one.job.structure_id: one.label.energy for one in store.labelled()}

    (tmp_path / "undisturbed").mkdir()
    run_loop(loop_config(tmp_path / "undisturbed", explore=explore, stop=stop))
    path = written(tmp_path, explore=explore, stop=stop)
    for name in ("walk-1.0", "walk-1.1"):
        process = subprocess.Popen([sys.executable, "-m", "mlpot", "active", "run", str(path)], start_new_session=True)
        while not read_bars(tmp_path / "loop.work" / name / "bars.txt"):
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
        process.wait()
    run_loop(read_loop_config(path))
    assert labels(tmp_path / "loop.db") == labels(tmp_path / "undisturbed" / "loop.db")


def test_what_does_not_go_together_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"explore\.bias needs explore\.program: ase"):
        loop_config(tmp_path, explore={**EXPLORE, "bias": 0.2})
    with pytest.raises(ConfigError, match=r"explore\.ranks is for explore\.program: lammps"):
        loop_config(tmp_path, explore={"ranks": 2})
