"""`fix mlpot/guard` stops a run or writes frames above a limit, on any number of ranks."""

import subprocess
import sys

import numpy as np
import pytest
from ase.io import read
from committees import random_shallow, save_calibrated
from lammps_systems import boxed, write_data

import mlpot
from mlpot import lammps
from mlpot.errors import EngineError

pytestmark = pytest.mark.lammps

START = """
units {units}
box tilt large
read_data start.data
pair_style mlpot precision double
pair_coeff * * "{model}" H O Si
velocity all create 900 4
timestep {timestep}
neighbor 0.4 bin
thermo 1
thermo_modify format float %.17g
fix 1 all nve
"""

OUTPUT = "thermo_style custom step f_g f_g[1] f_g[2] f_g[3] pe\nthermo_modify format float %.17g\n"


@pytest.fixture(scope="module")
def committee(tmp_path_factory):
    path = tmp_path_factory.mktemp("committee") / "model.pt"
    save_calibrated(path, random_shallow(4, n_layers=2))
    return path


def write_start(folder):
    atoms = boxed([[8.0, 0, 0], [1.9, 7.5, 0], [-1.2, 1.4, 7.8]], 12, np.random.default_rng(5))
    write_data(folder / "start.data", atoms)
    return folder


@pytest.fixture
def start(tmp_path):
    """Folder with the structure of all runs."""
    return write_start(tmp_path)


def script(model, guard, then, units="metal"):
    timestep = {"metal": 0.0005, "real": 0.5}[units]
    return START.format(model=model, units=units, timestep=timestep) + f"fix g all mlpot/guard {guard}\n" + then


@pytest.fixture(scope="module")
def maxima(tmp_path_factory, committee):
    """Largest sigma and distance of the first steps, from a guard with a limit that is never reached."""
    folder = write_start(tmp_path_factory.mktemp("maxima"))
    table = lammps.run(script(committee, "1 max_sigma 1e9", OUTPUT + "run 12\n"), ranks=2, directory=folder).thermo[0]
    return np.array(table["f_g"]), np.array(table["f_g[2]"])


def error_bars(path, atoms):
    again = atoms.copy()
    again.calc = mlpot.MLPotCalculator(path, precision="double", engine="torch")
    return again, *(again.calc.get_property(name, again) for name in ("forces_std", "feature_distance"))


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_halt_stops_all_ranks_and_writes_the_frame(start, committee, maxima, ranks):
    limit = float(maxima[0].max() * (1 - 1e-9))
    step = int(maxima[0].argmax())
    with pytest.raises(EngineError, match=r"LAMMPS failed \(status 1\)") as failure:
        lammps.run(
            script(committee, f"1 max_sigma {limit!r} action halt file f.xyz", "run 100\n"),
            ranks=ranks,
            directory=start,
        )
    message = str(failure.value)
    frames = read(start / "f.xyz", ":")
    assert len(frames) == 1
    assert frames[0].info["step"] == step
    again, sigma, distance = error_bars(committee, frames[0])
    np.testing.assert_allclose(frames[0].arrays["forces_std"], sigma, rtol=1e-7)
    np.testing.assert_allclose(frames[0].arrays["feature_distance"], distance, rtol=1e-7)
    np.testing.assert_allclose(frames[0].get_forces(), again.get_forces(), atol=1e-7)
    marked = np.flatnonzero(frames[0].arrays["uncertain"])
    assert marked.tolist() == np.flatnonzero(sigma > limit).tolist()
    assert f"Fix mlpot/guard stops the run at step {step}: atom {marked[0] + 1} of type" in message
    assert "has a force sigma of" in message
    assert "The frame is in f.xyz" in message


def test_dump_appends_frames_and_continues(start, committee, maxima):
    found, _ = maxima
    limit = float(np.median(found))
    then = OUTPUT + "run 8\nrun 4\nwrite_restart r\n"
    result = lammps.run(
        script(committee, f"2 max_sigma {limit!r} action dump file f.xyz", then), ranks=2, directory=start
    )
    expected = [step for step in range(0, 13, 2) if found[step] > limit]
    assert [frame.info["step"] for frame in read(start / "f.xyz", ":")] == expected
    assert len(expected) > 1
    events = result.thermo[0]["f_g[1]"]
    assert events == [sum(step <= now for step in expected) for now in range(9)]
    assert result.thermo[1]["f_g[1]"][-1] == len(expected)
    # a restart continues the count
    guard = f"fix g all mlpot/guard 2 max_sigma {limit!r} action dump file f.xyz\n"
    go_on = (
        f'read_restart r\npair_coeff * * "{committee}" H O Si\n{guard}{OUTPUT}timestep 0.0005\nfix 1 all nve\nrun 0\n'
    )
    result = lammps.run(go_on, ranks=2, directory=start)
    assert result.thermo[0]["f_g[1]"] == [len(expected)]
    assert len(read(start / "f.xyz", ":")) == len(expected)


def test_warn_only_warns(start, committee):
    guard = "3 max_sigma 1e-6 action warn"
    result = lammps.run(script(committee, guard, OUTPUT + "run 6\n"), ranks=2, directory=start)
    assert result.output.count("WARNING: Fix mlpot/guard: step") == 3
    assert "12 uncertain atoms" in result.output
    assert result.thermo[0]["f_g[3]"][-1] == 12
    assert not list(start.glob("*.xyz"))


def test_a_limit_of_the_distance_in_a_group(start, committee, maxima):
    limit = float(maxima[1][0] * (1 - 1e-9))
    frames = "group others type 1 2\nfix g others mlpot/guard 1 max_distance 1e-3 action dump file f.xyz\nrun 0\n"
    lammps.run(START.format(model=committee, units="metal", timestep=0.0005) + frames, ranks=2, directory=start)
    frame = read(start / "f.xyz")
    np.testing.assert_array_equal(frame.arrays["uncertain"], frame.numbers != 14)
    with pytest.raises(EngineError, match=r"has a feature distance of .*; 1 uncertain atom"):
        lammps.run(script(committee, f"5 max_distance {limit!r}", "run 0\n"), ranks=2, directory=start)
    assert (start / "mlpot.uncertain.xyz").exists()


def test_units_real_have_limits_in_their_units_and_files_in_ev(start, committee, maxima):
    found, _ = maxima
    with pytest.raises(EngineError, match=r"sigma of"):
        lammps.run(script(committee, f"1 max_sigma {found[0] * 23.06}", "run 0\n", "real"), ranks=2, directory=start)
    frame = read(start / "mlpot.uncertain.xyz")
    np.testing.assert_allclose(frame.arrays["forces_std"].max(), found[0], rtol=1e-8)
    np.testing.assert_allclose(frame.arrays["forces_std"], error_bars(committee, frame)[1], rtol=1e-7)


def test_minimize_is_checked(start, committee, maxima):
    found, _ = maxima
    with pytest.raises(EngineError, match="stops the run at step 0"):
        lammps.run(
            script(committee, f"1 max_sigma {found[0] * 0.99}", "minimize 0 0 20 60\n"), ranks=2, directory=start
        )
    guard = "2 max_sigma 1e-6 action dump file m.xyz"
    lammps.run(script(committee, guard, "minimize 0 0 5 60\n"), ranks=2, directory=start)
    frames = read(start / "m.xyz", ":")
    assert [frame.info["step"] for frame in frames] == [0, 2, 4]
    for frame in frames:
        np.testing.assert_allclose(frame.arrays["forces_std"], error_bars(committee, frame)[1], rtol=1e-7)


@pytest.mark.parametrize(
    ("guard", "message"),
    [
        ("1 action halt", "requires a limit"),
        ("0 max_sigma 1", "N must be above 0"),
        ("1 max_sigma -1", "limits must be above 0"),
        ("1 max_sigma 1 action stop", "action must be halt, dump or warn, got stop"),
        ("1 sigma 1", "Unknown fix mlpot/guard keyword: sigma; expected max_sigma, max_distance, action or file"),
        ("1 max_sigma", "expected fix ID group mlpot/guard N keyword value"),
    ],
)
def test_illegal_commands_are_refused(start, committee, guard, message):
    with pytest.raises(EngineError, match=message):
        lammps.run(script(committee, guard, "run 0\n"), ranks=1, directory=start)


def test_a_file_that_cannot_be_written_stops_the_run(start, committee):
    (start / "f.xyz").mkdir()
    with pytest.raises(EngineError, match=r"cannot write to f\.xyz"):
        lammps.run(script(committee, "1 max_sigma 1e-6 action dump file f.xyz", "run 3\n"), ranks=2, directory=start)


# A limit of the size of files is as good as a full disk. It holds for a whole process, and MPI begins with larger ones.
FULL_DISK = """
import resource
from mlpot.lammps import lammps

program = lammps(cmdargs=["-log", "none", "-screen", "none"])
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
try:
    program.file("in.lammps")
except Exception as error:
    print(error)
"""


def test_a_full_disk_leaves_whole_frames(start, committee):
    (start / "in.lammps").write_text(script(committee, "1 max_sigma 1e-6 action dump file u.xyz", "run 50\n"))
    command = [sys.executable, "-c", FULL_DISK]
    done = subprocess.run(command, cwd=start, env=lammps.environment(1), check=True, capture_output=True, text=True)
    assert "Fix mlpot/guard cannot write to u.xyz" in done.stdout
    frames = read(start / "u.xyz", ":")
    assert [frame.info["step"] for frame in frames] == list(range(len(frames)))
    assert {len(frame) for frame in frames} == {12}
    assert 1 < len(frames) < 50
