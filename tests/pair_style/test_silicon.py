"""Runs of a shipped potential far outside of its training data halt."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ase.io import read
from lammps_systems import SILICON

import mlpot
from mlpot import lammps
from mlpot.data import read_structures
from mlpot.errors import EngineError
from mlpot.model_file.bundle import ModelBundle
from mlpot.training.committee.assemble import attach

pytestmark = pytest.mark.lammps

POTENTIAL = Path(__file__).parents[2] / "potentials" / "Si-dft"
MELTING_POINT = 1687.0

CRYSTAL = SILICON + "timestep 0.001\n"


@pytest.mark.parametrize("ranks", [1, 4])
def test_two_atoms_pushed_together_halt_the_run(tmp_path, ranks):
    script = CRYSTAL.format(model="Si-dft/fast") + (
        "velocity all create 300 1\nfix 1 all nve\ngroup one id 1\ngroup two id 5\n"
        "velocity one set 90 90 90 units box\nvelocity two set -90 -90 -90 units box\nrun 500\n"
    )
    with pytest.raises(EngineError, match=r"status 1\):\n.*failed at step \d+: atoms 1 and 5 .*closer than 1\.1100 A"):
        lammps.run(script, ranks=ranks, directory=tmp_path)
    failed, good = read(tmp_path / "mlpot.failed.xyz"), read(tmp_path / "mlpot.last-good.xyz")
    assert failed.get_distance(0, 4, mic=True) < 1.11 <= good.get_distance(0, 4, mic=True)
    again = good.copy()
    again.calc = mlpot.load("Si-dft/fast")
    np.testing.assert_allclose(good.get_forces(), again.get_forces(), atol=1e-4 * np.abs(good.get_forces()).max())


@pytest.fixture(scope="module")
def committee(tmp_path_factory):
    """Eight readouts on the shipped potential, calibrated on the validation part, and their largest sigma there."""
    path, data = tmp_path_factory.mktemp("committee") / "Si.pt", POTENTIAL / "data"
    training = [data / "train.extxyz.xz", data / "isolated_atom.extxyz"]
    parts = read_structures(training), read_structures(data / "validation.extxyz.xz")
    attach(ModelBundle.read(POTENTIAL / "fast.pt"), *parts, 8).save(path)
    largest = 0.0
    for atoms in read(data / "validation.extxyz.xz", ":"):
        atoms.calc = mlpot.MLPotCalculator(path)
        largest = max(largest, atoms.calc.get_property("forces_std", atoms).max())
    return path, largest


@pytest.mark.slow
def test_five_times_the_melting_point_halts_the_run(tmp_path, committee):
    path, limit = committee
    (tmp_path / "in.hot").write_text(
        CRYSTAL.format(model=path)
        + f"velocity all create 300 1\nfix 1 all nvt temp 300 {5 * MELTING_POINT} 0.02\n"
        + f"fix guard all mlpot/guard 10 max_sigma {limit} action halt file hot.xyz\nrun 4000\n"
    )
    command = [Path(sys.executable).parent / "lmp", "-in", "in.hot"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert "Fix mlpot/guard stops the run at step" in result.stdout
    frame = read(tmp_path / "hot.xyz")
    assert frame.arrays["uncertain"].any()
    again = frame.copy()
    again.calc = mlpot.MLPotCalculator(path)
    np.testing.assert_allclose(frame.arrays["forces_std"], again.calc.get_property("forces_std", again), rtol=1e-3)
    np.testing.assert_array_equal(frame.arrays["uncertain"], frame.arrays["forces_std"] > limit)


@pytest.mark.slow
def test_a_crystal_at_room_temperature_runs_on(tmp_path, committee):
    path, limit = committee
    script = CRYSTAL.format(model=path) + (
        f"velocity all create 600 1\nfix 1 all nve\nfix guard all mlpot/guard 10 max_sigma {limit}\nrun 500\n"
    )
    lammps.run(script, ranks=2, directory=tmp_path)
    assert not list(tmp_path.glob("*.xyz"))
