import pytest
import yaml

from mlpot.active_learning.config import LoopConfig
from mlpot.config import PRESETS, TrainConfig
from mlpot.config.example import example_yaml
from mlpot.config.sections import known_keys
from mlpot.config.train_file import read_train_config
from mlpot.config.yaml import validated


@pytest.fixture
def example():
    return example_yaml(TrainConfig, "a training")


def test_example_is_valid_and_shows_the_defaults(tmp_path, example):
    (tmp_path / "example.yaml").write_text(example)
    read = read_train_config(tmp_path / "example.yaml")
    plain = validated(TrainConfig, {"data": {"train": str(tmp_path / "train.extxyz")}})
    assert read.model_copy(update={"run": plain.run}) == plain
    optional = ("training.committee.", "training.distill.", "loss.stages.")  # sections that a run need not have
    names = {key.rpartition(".")[2] for key in known_keys(TrainConfig) if not key.startswith(optional)}
    assert all(f"{name}:" in example for name in names)


def test_changing_the_preset_of_the_example_changes_the_model(tmp_path, example):
    (tmp_path / "example.yaml").write_text(example.replace("preset: fast", "preset: accurate"))
    assert read_train_config(tmp_path / "example.yaml").model.n_layers == 2


def test_the_values_beside_the_preset_are_those_of_the_preset(example):
    """They were the defaults of a bare architecture: 64 channels, lmax 3, 8 radial functions."""
    lines = [line.strip().removeprefix("# ") for line in example.splitlines()]
    assert "preset: fast" in lines
    for key, value in PRESETS["fast"].items():
        assert f"{key}: {value}" in lines


def test_the_example_of_a_loop_is_valid():
    values = yaml.safe_load(example_yaml(LoopConfig, "a loop"))
    assert validated(LoopConfig, {**values, "store": "loop.db"}).systems
