"""The C++ of the native engine under the sanitizers of the compiler: models, damaged files, neighbors, threads."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from committees import random_deep, random_shallow, save_calibrated
from damaged_files import damaged

from mlpot.model_file.torchscript import save_model
from potentials import random_potential

pytestmark = pytest.mark.sanitize

SOURCES = Path(__file__).parents[2] / "plugins" / "native" / "tests"
MODELS = {
    "one": {"lmax": 3, "n_channels": 5},
    "two": {"n_layers": 2, "lmax": 4, "n_channels": 9, "message_channels": 5, "atomic_numbers": (1, 8)},
    "three": {"n_layers": 3, "n_channels": 17, "vector_correlation": 3, "message_lmax": 0, "zbl": False},
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
def program(tmp_path_factory):
    """The program that runs model files, with kernels for vectors of several widths."""
    return build(tmp_path_factory.mktemp("build"))


def build(folder, **settings):
    if shutil.which("cmake") is None:
        pytest.skip("needs cmake")
    definitions = [f"-D{name}={value}" for name, value in settings.items()]
    for command in (
        ["cmake", "-S", SOURCES, "-B", folder, *definitions],
        ["cmake", "--build", folder, "--parallel", "2", "--target", "check_engine"],
    ):
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder / "check_engine"


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


def test_threads(models, tmp_path):
    assert run(build(tmp_path, SANITIZERS="thread"), models[1:2], "baseline") == ["good"]
