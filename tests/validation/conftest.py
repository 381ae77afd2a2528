"""A good and a bad potential for the checks."""

import pytest
import torch

import mlpot
from mlpot.config import ModelConfig
from mlpot.model import Potential
from mlpot.model_file.torchscript import save_model


@pytest.fixture(scope="session")
def silicon():
    """The potential that ships with mlpot, in float64."""
    return mlpot.load("Si-dft/fast", precision="double")


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
