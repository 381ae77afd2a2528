"""Fixtures that many tests share."""

import os
import runpy
import signal
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from mlpot.config import ModelConfig
from mlpot.model import Potential
from mlpot.model_file.torchscript import save_model

settings.register_profile("any machine", deadline=None)  # the speed of a processor is not what is tested
settings.load_profile("any machine")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPIR_CVAR_POLLS_BEFORE_YIELD", "1")  # ranks of LAMMPS share the processor with other tests
# The tests start many processes of Python. Compiled modules are kept: each of them would compile torch and sympy again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it, and so do its children


@pytest.fixture(scope="session", autouse=True)
def _no_files_in_the_repository(tmp_path_factory):
    """Runs that are made to fail leave their frames in the working folder."""
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("working-folder"))
    yield
    os.chdir(before)


@pytest.fixture
def run_script(monkeypatch, capsys):
    """Run a Python file in a folder, with arguments; returns what it prints.

    In this process, where the packages are imported already. Each file has its own namespace, and its warnings are
    errors.
    """

    def run(path, *arguments, folder):
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "argv", [str(part) for part in (path, *arguments)])
        capsys.readouterr()
        runpy.run_path(str(path), run_name="__main__")
        return capsys.readouterr().out

    return run


@pytest.fixture(scope="session")
def model_file(tmp_path_factory):
    """A `model.pt` with random weights for Si, O and H: one layer, float64, smooth and with core repulsion."""
    return write_random_model(tmp_path_factory.mktemp("models") / "model.pt", n_layers=1)


@pytest.fixture(scope="session")
def deep_model_file(tmp_path_factory):
    """The same with two layers that exchange vector messages."""
    return write_random_model(tmp_path_factory.mktemp("models") / "deep.pt", n_layers=2)


@pytest.fixture(scope="session")
def bad_model(tmp_path_factory):
    """Model file with random weights and nothing that keeps atoms apart."""
    path = tmp_path_factory.mktemp("bad") / "model.pt"
    config = ModelConfig(cutoff=4.5, n_layers=1, n_channels=8, lmax=2, n_radial=6, readout_width=8, zbl=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        potential = Potential(config, [14], [-10.0], energy_scale=1.0, average_neighbors=15.0)
    save_model(path, potential.double(), training={"data": "none, random weights"})
    return path


def write_random_model(path, n_layers):
    config = ModelConfig(cutoff=4.0, n_layers=n_layers, n_channels=8, lmax=2, n_radial=6, readout_width=8)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        potential = Potential(config, [1, 8, 14], [-13.6, -430.0, -10.0], energy_scale=1.0, average_neighbors=15.0)
    save_model(path, potential.double(), training={"data": "none, random weights"})
    return path
