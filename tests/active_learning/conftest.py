"""Stores, workers that import the faulty codes, and a small potential with calibrated error bars."""

from pathlib import Path

import ase.io
import pytest
from emt_structures import emt_structures, small_config

from mlpot.active_learning.selection.uncertainty_model import UncertaintyModel
from mlpot.active_learning.store.store import Store
from mlpot.data import read_structures
from mlpot.model_file.bundle import ModelBundle
from mlpot.training import train
from mlpot.training.committee.assemble import attach

TESTS = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _workers_find_the_codes(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(TESTS))


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "run.db", create=True) as one:
        yield one


@pytest.fixture(scope="session")
def calibrated(tmp_path_factory):
    """A committee for copper and gold, and the structures that it was calibrated on."""
    folder = tmp_path_factory.mktemp("calibrated")
    ase.io.write(folder / "alloy.extxyz", emt_structures(40), format="extxyz")
    ase.io.write(folder / "held_out.extxyz", emt_structures(30, seed=5), format="extxyz")
    run = train(small_config(folder / "alloy.extxyz", folder / "run", training={"epochs": 20}))
    parts = read_structures(folder / "alloy.extxyz"), read_structures(folder / "held_out.extxyz")
    attach(ModelBundle.read(run.model), *parts, 4).save(folder / "model.pt")
    return UncertaintyModel(folder / "model.pt"), read_structures(folder / "held_out.extxyz")


@pytest.fixture
def model(calibrated):
    return calibrated[0]
