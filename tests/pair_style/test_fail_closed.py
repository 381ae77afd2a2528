"""A failed evaluation stops all ranks before the next step and writes the failed and the last good frame."""

import numpy as np
import pytest
from ase import Atoms, units
from ase.data import covalent_radii
from ase.io import read
from lammps_systems import ELEMENTS, assert_close, boxed, write_data

import mlpot
from mlpot import lammps
from mlpot.errors import EngineError
from mlpot.model_file.torchscript import save_model
from potentials import random_potential

pytestmark = pytest.mark.lammps

START = """
units {units}
boundary {boundary}
box tilt large
read_data start.data
pair_style {style}
pair_coeff * * "{model}" H O Si
timestep 1.0
neighbor 1.0 bin
"""

# The second atom moves into the first, which is fixed, by 0.02 A a step.
SQUEEZE = """
change_box all x final -1.3 {right} remap units box
group pushed id 2
group pair id 1 2
group others subtract all pair
velocity others create 300 5 rot yes
velocity pushed set {vx} {vy} {vz}
fix 1 others nve
fix 2 pushed move linear {vx} {vy} {vz}
run 200
"""


def begin(model, style="mlpot precision double", units_="metal", boundary="p p p"):
    start = START.format(model=model, style=style, units=units_, boundary=boundary)
    return start if units_ == "real" else start.replace("timestep 1.0", "timestep 0.001")


def squeezed(folder, per_step, seed=2):
    """Write two oxygen atoms 1.05 A apart among others; return the script that moves the second into the first."""
    rng = np.random.default_rng(seed)
    atoms = boxed([[9.0, 0, 0], [1.9, 8.0, 0], [-1.2, 1.4, 8.5]], 14, rng)
    pair = Atoms("O2", [[4.0, 4.0, 4.0], [4.6, 4.7, 4.5]], cell=atoms.cell, pbc=True)
    far = [i for i in range(len(atoms)) if min((pair + atoms[i : i + 1]).get_distances(2, [0, 1], mic=True)) > 2.3]
    atoms = pair + atoms[far]
    write_data(folder / "start.data", atoms)
    direction = atoms.positions[0] - atoms.positions[1]
    velocity = 0.02 * direction / np.linalg.norm(direction) / per_step
    return SQUEEZE.format(right=9.0 - 1.3, **dict(zip(("vx", "vy", "vz"), velocity.tolist(), strict=True)))


def stopped(folder, script, ranks):
    with pytest.raises(EngineError, match=r"LAMMPS failed \(status 1\)") as failure:
        lammps.run(script, ranks=ranks, directory=folder)
    return str(failure.value)


@pytest.mark.parametrize(
    ("name", "ranks", "units_"),
    [("model_file", 1, "metal"), ("deep_model_file", 2, "real"), ("deep_model_file", 4, "metal")],
)
def test_two_atoms_squeezed_together_stop_the_run(request, tmp_path, name, ranks, units_):
    model = request.getfixturevalue(name)
    script = squeezed(tmp_path, per_step=0.001 if units_ == "metal" else 1.0)
    message = stopped(tmp_path, begin(model, units_=units_) + script, ranks)
    failed, good = read(tmp_path / "mlpot.failed.xyz", ":"), read(tmp_path / "mlpot.last-good.xyz", ":")
    assert len(failed) == len(good) == 1
    failed, good = failed[0], good[0]
    limit = 0.5 * 2 * covalent_radii[8]
    assert failed.get_distance(0, 1, mic=True) < limit <= good.get_distance(0, 1, mic=True)
    assert f"failed at step {failed.info['step']}: atoms 1 and 2 of types 2 and 2" in message
    assert f"closer than {limit:.4f} A, 0.5 of the sum of their covalent radii" in message
    assert "mlpot.failed.xyz; the last good one" in message
    assert message.count("ERROR") == 1
    assert failed.info["error"] in message
    assert np.flatnonzero(failed.arrays["failed"]).tolist() == [0, 1]
    assert good.info["step"] == failed.info["step"] - 1


@pytest.fixture(scope="module", params=["metal", "real"])
def frames(request, tmp_path_factory, deep_model_file):
    """Good and offending frame of a run on two ranks, its structure at the start, and its unit of time in fs."""
    folder = tmp_path_factory.mktemp("frames")
    per_step = {"metal": 0.001, "real": 1.0}[request.param]
    script = squeezed(folder, per_step)
    stopped(folder, begin(deep_model_file, units_=request.param, boundary="p p p") + script, 2)
    return read(folder / "mlpot.last-good.xyz"), read(folder / "mlpot.failed.xyz"), deep_model_file


def test_the_good_frame_has_the_forces_of_its_atoms(frames):
    good, _, model = frames
    again = good.copy()
    again.calc = mlpot.MLPotCalculator(model, precision="double")
    assert set(good.symbols) == set(ELEMENTS)
    assert good.pbc.all()
    assert_close(good.get_forces(), again.get_forces(), tolerance=1e-8)
    np.testing.assert_allclose(good.info["Origin"], [-1.3, 0, 0])
    np.testing.assert_allclose(good.cell.array, [[9.0, 0, 0], [1.9, 8.0, 0], [-1.2, 1.4, 8.5]])


def test_the_frames_are_one_step_of_velocity_verlet_apart(frames):
    """Positions, momenta, masses and forces fit together in the units of ASE."""
    good, failed, _ = frames
    moved = good.get_velocities() * units.fs + good.get_forces() / good.get_masses()[:, None] * units.fs**2 / 2
    change = failed.positions - good.positions
    change -= np.round(change @ np.linalg.inv(good.cell.array)) @ good.cell.array
    np.testing.assert_allclose(change[2:], moved[2:], atol=1e-8)
    np.testing.assert_allclose(np.linalg.norm(change[1]), 0.02, atol=1e-8)
    np.testing.assert_allclose(good.get_masses()[good.symbols == "Si"], 28.086)


# Two atoms at one position: the model fails on the rank that has them, in its first layer.
@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_an_engine_that_fails_on_one_rank_stops_all(tmp_path, deep_model_file, ranks):
    atoms = boxed([[12.0, 0, 0], [0, 12.0, 0], [0, 0, 12.0]], 60, np.random.default_rng(3))
    atoms.positions[7] = atoms.positions[3]
    write_data(tmp_path / "start.data", atoms)
    script = begin(deep_model_file, "mlpot precision double closest 0") + "fix 1 all nve\nrun 5\n"
    message = stopped(tmp_path, script, ranks)
    assert "failed at step 0, atom" in message
    assert "that is not a finite number" in message
    failed = read(tmp_path / "mlpot.failed.xyz")
    assert len(failed) == 60
    assert set(np.flatnonzero(failed.arrays["failed"])) <= {3, 7}
    assert failed.arrays["failed"].sum() == 1
    np.testing.assert_allclose(failed.positions, atoms.positions, atol=1e-12)
    assert not (tmp_path / "mlpot.last-good.xyz").exists()
    assert "it is the first one of this run" in message


@pytest.mark.parametrize("every", [1, 1000], ids=["new neighbor list", "old neighbor list"])
def test_positions_that_are_not_finite_stop_the_run(tmp_path, model_file, every):
    write_data(tmp_path / "start.data", boxed(7.0 * np.eye(3), 20, np.random.default_rng(4)))
    script = begin(model_file) + (
        f"neigh_modify every {every} delay 0 check no\nvelocity all create 300 5\nfix 1 all nve\nrun 10\n"
        "group one id 5\nvariable huge equal 1.0e300*1.0e300\nfix 2 one addforce v_huge 0 0\nrun 10\n"
    )
    message = stopped(tmp_path, script, 2)
    assert "atom 5 of type" in message
    assert "its position is not a finite number" in message
    failed, good = read(tmp_path / "mlpot.failed.xyz"), read(tmp_path / "mlpot.last-good.xyz")
    assert np.flatnonzero(failed.arrays["failed"]).tolist() == [4]
    assert not np.isfinite(failed.positions[4, 0])
    assert np.isfinite(good.positions).all()
    assert good.info["step"] == failed.info["step"] - 1 >= 9


@pytest.mark.parametrize("command", ["run 0", "minimize 0 0 10 10"])
def test_overlaps_are_found_at_once(tmp_path, model_file, command):
    atoms = boxed(7.0 * np.eye(3), 10, np.random.default_rng(5))
    atoms.positions[4] = atoms.positions[8] + [0.05, 0, 0]
    write_data(tmp_path / "start.data", atoms)
    message = stopped(tmp_path, begin(model_file) + command + "\n", 2)
    assert "failed at step 0: atoms" in message
    assert np.flatnonzero(read(tmp_path / "mlpot.failed.xyz").arrays["failed"]).tolist() == [4, 8]


def test_closest_is_a_setting_and_stays_in_restarts(tmp_path, model_file):
    atoms = Atoms("OSi", [[1, 1, 1], [1, 1, 1.8]], cell=7 * np.eye(3), pbc=True)  # 0.45 of the radii
    write_data(tmp_path / "start.data", atoms)
    script = begin(model_file, "mlpot closest 0.4") + "run 0\nwrite_restart r\nclear\nread_restart r\n"
    script += f'pair_coeff * * "{model_file}" H O Si\nrun 0\n'
    lammps.run(script, ranks=2, directory=tmp_path)
    script = script.replace("closest 0.4", "closest 0").replace("read_restart r\n", "read_restart r\n")
    lammps.run(script, ranks=1, directory=tmp_path)
    assert "closer than" in stopped(tmp_path, begin(model_file) + "run 0\n", 1)


def test_the_message_names_frames_that_cannot_be_written(tmp_path, model_file):
    (tmp_path / "mlpot.failed.xyz").mkdir()
    atoms = Atoms("OSi", [[1, 1, 1], [1, 1, 1.2]], cell=7 * np.eye(3), pbc=True)
    write_data(tmp_path / "start.data", atoms)
    message = stopped(tmp_path, begin(model_file) + "run 0\n", 2)
    assert "closer than" in message
    assert "could not be written to mlpot.failed.xyz" in message


def test_a_run_without_failure_writes_no_frames(tmp_path, model_file):
    write_data(tmp_path / "start.data", boxed(7.0 * np.eye(3), 10, np.random.default_rng(5)))
    lammps.run(begin(model_file) + "fix 1 all nve\nrun 20\nrun 5\n", ranks=2, directory=tmp_path)
    assert not list(tmp_path.glob("mlpot.*"))


@pytest.fixture(scope="module")
def three_layers(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "three.pt"
    save_model(path, random_potential(n_layers=3))
    return path


@pytest.mark.parametrize("ranks", [2, 4])
def test_no_rank_waits_for_the_messages_of_a_failed_one(tmp_path, three_layers, ranks):
    """One rank finds two atoms too close before it computes; the others exchange messages four times."""
    rng = np.random.default_rng(6)
    atoms = boxed([[24.0, 0, 0], [0, 8.0, 0], [0, 0, 8.0]], 60, rng)
    atoms.positions[9] = atoms.positions[8] = [3.0, 4.0, 4.0]
    atoms.positions[9, 1] += 0.3
    write_data(tmp_path / "start.data", atoms)
    start = f"processors {ranks} 1 1\n" + begin(three_layers, "mlpot precision double closest 0.3")
    message = stopped(tmp_path, start + "run 5\n", ranks)
    assert "atoms 9 and 10 of types" in message or "atoms 10 and 9 of types" in message
    assert message.count("ERROR") == 1
    failed = read(tmp_path / "mlpot.failed.xyz")
    np.testing.assert_allclose(failed.positions, atoms.positions, atol=1e-12)


@pytest.mark.parametrize("then", ["run 3", "clear", "run 0 post no\nunfix MLPOT_FRAMES_0\nclear"])
def test_the_input_may_remove_all_fixes(tmp_path, model_file, then):
    """LAMMPS has no way to protect the fix of the pair style from `unfix`."""
    write_data(tmp_path / "start.data", boxed(7.0 * np.eye(3), 10, np.random.default_rng(5)))
    start = begin(model_file) + "run 1\nunfix MLPOT_FRAMES_0\n"
    lammps.run(start + then + "\n", ranks=2, directory=tmp_path)
    script = start + "set atom 1 x 1 y 1 z 1\nset atom 2 x 1.1 y 1 z 1\nrun 0\n"
    assert "it is the first one of this run" in stopped(tmp_path, script, 2)


def test_the_fix_of_the_pair_style_is_not_for_inputs(tmp_path, model_file):
    write_data(tmp_path / "start.data", boxed(7.0 * np.eye(3), 10, np.random.default_rng(5)))
    message = stopped(tmp_path, begin(model_file) + "fix mine all MLPOT/FRAMES\nrun 1\n", 1)
    assert "is added by pair style mlpot" in message
