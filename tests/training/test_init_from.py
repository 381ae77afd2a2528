"""Initial weights from a model file: fine-tuning."""

import ase.io
import numpy as np
import pytest
from emt_structures import SMALL_MODEL, emt_structures, small_config

import mlpot
from mlpot.data import read_structures
from mlpot.errors import ConfigError
from mlpot.model_file.bundle import ModelBundle
from mlpot.model_file.manifest import read_manifest
from mlpot.training import train
from mlpot.training.committee.assemble import attach
from mlpot.training.init_from import single_potential


@pytest.fixture(scope="module")
def first(data_file, tmp_path_factory):
    config = small_config(data_file, tmp_path_factory.mktemp("first") / "run", training={"epochs": 10})
    return train(config).model


def forces(model, atoms):
    return mlpot.load(model).get_property("forces", atoms)


def continued(data, folder, start, **sections):
    training = {"epochs": 1, "init_from": str(start), **sections.pop("training", {})}
    return train(small_config(data, folder / "run", training=training, **sections))


def test_training_starts_from_the_weights_of_the_file(first, data_file, tmp_path):
    other = tmp_path / "other.extxyz"
    ase.io.write(other, emt_structures(20, seed=7), format="extxyz")
    result = continued(other, tmp_path, first, training={"lr": 1e-9})
    atoms = emt_structures(1, seed=11)[0]
    atoms.calc = None
    np.testing.assert_allclose(forces(result.model, atoms), forces(first, atoms), atol=1e-5)
    before, after = read_manifest(first), read_manifest(result.model)
    assert after.reference_energies == before.reference_energies
    assert after.energy_scale == before.energy_scale
    assert after.training["config"]["training"]["init_from"] == "model.pt"


def test_more_training_lowers_the_errors(first, data_file, tmp_path):
    result = continued(data_file, tmp_path, first, training={"epochs": 20})
    before = read_manifest(first).training["errors"]["validation"]["forces_rmse"]
    assert result.validation["forces_rmse"] < 0.9 * before


def test_training_starts_from_the_mean_of_a_shallow_committee(first, data_file, tmp_path):
    committee = tmp_path / "committee.pt"
    attach(ModelBundle.read(first), read_structures(data_file), None, 4).save(committee)
    single = single_potential(committee).state_dict()
    assert all((single[name] == values).all() for name, values in single_potential(first).state_dict().items())
    assert continued(data_file, tmp_path, committee).stopped is None


def test_an_interrupted_run_is_resumed(first, data_file, tmp_path):
    config = small_config(data_file, tmp_path / "run", training={"epochs": 4, "init_from": str(first)})
    assert train(config, max_time=1e-6).stopped is not None
    train(config, resume=True)
    whole = train(config.model_copy(update={"run": config.run.model_copy(update={"output": tmp_path / "whole"})}))
    atoms = emt_structures(1, seed=11)[0]
    atoms.calc = None
    assert (forces(tmp_path / "run" / "model.pt", atoms) == forces(whole.model, atoms)).all()


def test_another_architecture_is_refused(first, data_file, tmp_path):
    with pytest.raises(ConfigError, match="another architecture"):
        continued(data_file, tmp_path, first, model=SMALL_MODEL | {"n_channels": 4})


def test_other_elements_are_refused(first, tmp_path):
    frames = [atoms for atoms in emt_structures(80, sizes=(2,)) if set(atoms.symbols) == {"Cu"}]
    ase.io.write(tmp_path / "copper.extxyz", frames, format="extxyz")
    with pytest.raises(ConfigError, match=r"training\.init_from.*Cu, Au"):
        continued(tmp_path / "copper.extxyz", tmp_path, first)
