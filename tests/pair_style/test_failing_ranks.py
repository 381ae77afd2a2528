"""Ranks that fail alone, or see other files: all of them stop with one message, and none waits for another."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ase.io import read
from committees import random_shallow, save_calibrated
from lammps_systems import boxed, write_data

from mlpot import lammps
from mlpot.lammps import installed_files

pytestmark = pytest.mark.lammps

PLUGINS = Path(__file__).parents[2] / "plugins"
SCRIPT = """
units metal
read_data start.data
pair_style mlpot
pair_coeff * * model.pt H O Si
compute u all mlpot/uncertainty
thermo_style custom step pe {columns}
thermo_modify format float %.17g
fix 1 all nve
run 2
"""


def compile_library(folder, name, *includes):
    compiler = shutil.which("c++")
    if compiler is None or not Path("/proc").is_dir():
        pytest.skip("needs a C++ compiler, and LD_PRELOAD of Linux")
    source, library = PLUGINS / "lammps" / "tests" / f"{name}.cpp", folder / f"{name}.so"
    options = [f"-I{include}" for include in includes]
    subprocess.run([compiler, "-std=c++17", "-shared", "-fPIC", *options, source, "-o", library, "-ldl"], check=True)
    return library


@pytest.fixture(scope="module")
def failing_engine(tmp_path_factory):
    library = compile_library(tmp_path_factory.mktemp("engine"), "failing_engine", PLUGINS / "engine")
    return {"MLPOT_NATIVE_ENGINE": str(library), "MLPOT_REAL_ENGINE": str(lammps.native_engine())}


@pytest.fixture(scope="module")
def failing_communication(tmp_path_factory):
    command = [sys.executable, PLUGINS / "lammps" / "wheel_headers.py"]
    headers, mpi, _ = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split(";")
    library = compile_library(tmp_path_factory.mktemp("communication"), "failing_communication", headers, mpi)
    return {"LD_PRELOAD": str(library)}


@pytest.fixture(scope="module")
def committee(tmp_path_factory):
    path = tmp_path_factory.mktemp("committee") / "model.pt"
    save_calibrated(path, random_shallow(3, n_layers=2))
    return path


@pytest.fixture
def start(tmp_path, committee):
    """Folder with a structure and a committee of two layers."""
    shutil.copy(committee, tmp_path)
    write_data(tmp_path / "start.data", boxed(8.0 * np.eye(3), 30, np.random.default_rng(1)))
    return tmp_path


def run(folder, environment, columns="c_u"):
    """Status and output of two ranks; a run that hangs fails after the time limit."""
    (folder / "in.lammps").write_text(SCRIPT.format(columns=columns))
    command = lammps.command(folder / "in.lammps", ranks=2, log="none")
    return finish(command, folder, environment)


def finish(command, folder, environment):
    variables = lammps.environment(1) | environment
    with subprocess.Popen(
        command, cwd=folder, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            output, _ = process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.terminate()  # mpiexec ends its ranks
            raise
    return process.returncode, output


@pytest.mark.parametrize("place", ["create", "before", "between", "uncertainty"])
def test_a_failure_on_one_rank_stops_all_with_its_message(start, failing_engine, place):
    status, output = run(start, failing_engine | {"MLPOT_FAILS": place})
    assert status == 1, output
    assert output.count("ERROR: Pair style mlpot") == 1
    assert "an injected failure" in output
    if place != "create":
        assert len(read(start / "mlpot.failed.xyz")) == 30


def test_an_error_in_a_callback_passes_through_the_engine(start, failing_engine):
    status, output = run(start, failing_engine | {"MLPOT_FAILS": "rows"})
    assert status == 1
    assert "Pair style mlpot: the engine sends" in output
    assert "Loop time" not in output
    assert "failed at step" not in output, "the error of one rank aborts all"


@pytest.mark.parametrize("where", ["all", "one", "memory"])
def test_a_communication_that_fails_ends_all_ranks(start, failing_communication, where):
    status, output = run(start, failing_communication | {"MLPOT_FAILS": where})
    assert status == 1
    if where == "memory":  # the others are errors of LAMMPS, which prints them before
        assert "ERROR on proc 1: Pair style mlpot: not enough memory" in output
    assert "Loop time" not in output
    assert "failed at step" not in output, "an error of LAMMPS is not one of the engine"


def test_a_run_without_failure_goes_through_the_failing_engine(start, failing_engine):
    status, output = run(start, failing_engine | {"MLPOT_FAILS": "nowhere"})
    assert status == 0, output
    assert "Loop time" in output


@pytest.mark.parametrize("other", ["another model", "a model of one layer", "no model"])
def test_all_ranks_run_the_model_that_rank_0_reads(start, tmp_path_factory, other):
    """Each rank has a working folder of its own, as with a file system that is local to its node."""
    second = tmp_path_factory.mktemp("second")
    shutil.copy(start / "start.data", second)
    if other != "no model":
        layers = 2 if other == "another model" else 1
        save_calibrated(second / "model.pt", random_shallow(3, n_layers=layers, lmax=1))
    columns = "c_u c_u[1]"
    _, expected = run(start, {}, columns)
    shutil.copy(start / "in.lammps", second)
    one = [*map(str, (installed_files.program(), "-in", start / "in.lammps", "-log", "none"))]
    command = [str(installed_files.mpiexec()), "-n", "1", "-wdir", str(start), *one]
    command += [":", "-n", "1", "-wdir", str(second), *one]
    status, output = finish(command, start, {})
    assert status == 0, output
    assert _thermo(output) == _thermo(expected)


def _thermo(output):
    lines = output.splitlines()
    (header,) = (n for n, line in enumerate(lines) if line.split()[:2] == ["Step", "PotEng"])
    return lines[header + 1 : header + 3]
