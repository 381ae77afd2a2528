"""Data sets and runs that the tests of training share."""

import ase.io
import pytest
from emt_structures import emt_structures, small_config
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment

from mlpot.training.setup import initial_potential, prepare
from mlpot.training.trainer import Trainer
from mlpot.training.training_data import read_training_data


@pytest.fixture(scope="session")
def data_file(tmp_path_factory):
    """File of 30 labelled copper-gold structures."""
    path = tmp_path_factory.mktemp("data") / "alloy.extxyz"
    ase.io.write(path, emt_structures(30), format="extxyz")
    return path


@pytest.fixture(scope="session")
def fabric():
    launched = Fabric(accelerator="cpu", devices=1, plugins=[LightningEnvironment()])
    launched.launch()
    return launched


@pytest.fixture
def make_trainer(data_file, tmp_path, fabric):
    """Maker of a `Trainer` that is ready to step; keyword arguments are sections of the configuration."""

    def make(**sections):
        config = small_config(data_file, tmp_path / "run", **sections)
        setup = prepare(config, read_training_data(config))
        potential = initial_potential(config, setup, fabric.device)
        return Trainer(fabric, config, potential, setup.train, setup.validation, setup.scale)

    return make
