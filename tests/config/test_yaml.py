import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from mlpot.cli.app import app
from mlpot.config import TrainConfig
from mlpot.config.yaml import (
    config_from,
    example_config,
    known_keys,
    nearest_key,
    portable,
    read_config,
    write_config,
)
from mlpot.errors import ConfigError


def error_of(values):
    with pytest.raises(ConfigError) as caught:
        config_from(values)
    return str(caught.value)


DATA = {"train": "a.xyz"}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"data": DATA, "training": {"lrr": 1}}, "`training.lrr`: unknown key; did you mean `training.lr`?"),
        ({"data": DATA, "lr": 1}, "`lr`: unknown key; did you mean `training.lr`?"),
        ({"data": DATA, "model": {"channels": 3}}, "`model.channels`: unknown key; did you mean `model.n_channels`?"),
        ({"data": DATA, "traning": {}}, "`traning`: unknown key; did you mean `training`?"),
        ({"data": DATA, "qwertz": {}}, "`qwertz`: unknown key"),
        ({"data": DATA, "training": {"lr": -1}}, "`training.lr`: should be greater than 0, got -1"),
        ({"data": DATA, "training": {"schedule": {"patience": "x"}}}, "`training.schedule.patience`: "),
        (
            {"data": DATA, "model": {"preset": "fst"}},
            "`model.preset`: should be 'fast', 'balanced', 'accurate' or 'max', got 'fst'",
        ),
        ({"data": DATA, "training": {"time_budget": "30x"}}, "`training.time_budget`: expected a duration"),
        ({"data": DATA, "training": {"epochs": 3, "steps": 4}}, "`training`: give one of epochs, steps, time_budget"),
        ({"data": DATA, "loss": {"stages": [{"start": 0, "enrgy": 1}]}}, "`loss.stages[0].enrgy`: unknown key"),
        ({"data": {**DATA, "validation": 1.5}}, "`data.validation`: should be less than 1, got 1.5"),
        ({}, "`data`: is missing"),
        ({"data": 3}, "`data`: "),
    ],
)
def test_errors_name_the_path_and_the_nearest_key(values, message):
    text = error_of(values)
    assert message in text
    assert "pydantic" not in text


def test_every_error_is_told_at_once():
    assert len(error_of({"data": DATA, "training": {"lr": -1, "sed": 2}, "run": {"device": "gpu"}}).splitlines()) == 3


@given(st.sampled_from([key for key in known_keys() if "." in key]), st.data())
def test_one_wrong_letter_finds_the_key(key, data):
    section, _, name = key.rpartition(".")
    if len(name) < 4:
        return
    place = data.draw(st.integers(0, len(name) - 1))
    found = nearest_key(f"{section}.{name[:place]}{name[place + 1 :]}")
    assert found is not None
    assert found.rpartition(".")[0] == section


def test_example_is_valid_and_shows_the_defaults(tmp_path):
    text = example_config()
    (tmp_path / "example.yaml").write_text(text)
    read = read_config(tmp_path / "example.yaml")
    plain = config_from({"data": {"train": str(tmp_path / "train.extxyz")}})
    assert read.model_copy(update={"run": plain.run}) == plain
    optional = ("training.committee.", "training.distill.", "loss.stages.")  # sections that a run need not have
    names = {key.rpartition(".")[2] for key in known_keys() if not key.startswith(optional)}
    assert all(f"{name}:" in text for name in names)


def test_changing_the_preset_of_the_example_changes_the_model(tmp_path):
    (tmp_path / "example.yaml").write_text(example_config().replace("preset: fast", "preset: accurate"))
    assert read_config(tmp_path / "example.yaml").model.n_layers == 2


def test_a_written_configuration_reads_back_equal_and_moves_with_its_data(tmp_path):
    config = config_from({"data": {"train": str(tmp_path / "data" / "a.xyz"), "test": str(tmp_path / "t.xyz")}})
    (tmp_path / "old" / "run").mkdir(parents=True)
    write_config(config, tmp_path / "old" / "run" / "train.yaml")
    again = read_config(tmp_path / "old" / "run")
    assert again.data.train[0].resolve() == tmp_path / "data" / "a.xyz"
    assert again.model_copy(update={"data": config.data, "run": config.run}) == config
    (tmp_path / "old").rename(tmp_path / "new")
    assert read_config(tmp_path / "new" / "run").data.test[0].resolve() == tmp_path / "t.xyz"


def test_portable_values_hold_no_folders():
    config = config_from({"data": {"train": "/secret/place/a.xyz"}, "run": {"output": "/secret/run"}})
    assert "secret" not in json.dumps(portable(config))


def test_a_data_file_alone_is_enough(tmp_path):
    (tmp_path / "data.extxyz").touch()
    config = read_config(tmp_path / "data.extxyz", ["training.lr=0.02", "model.lmax=2"], {"model": {"preset": "max"}})
    assert config.data.train == [tmp_path / "data.extxyz"]
    assert (config.training.lr, config.model.lmax, config.model.message_lmax) == (0.02, 2, 2)


@pytest.mark.parametrize("override", ["training.lr", "=3", "training..lr=3", "a=[1"])
def test_malformed_overrides_are_refused(tmp_path, override):
    (tmp_path / "data.extxyz").touch()
    with pytest.raises(ConfigError):
        read_config(tmp_path / "data.extxyz", [override])


@pytest.mark.parametrize(
    ("content", "message"), [("a: [1", "is not YAML"), ("- 1\n- 2\n", "must hold sections"), ("\x00", "is not YAML")]
)
def test_files_that_are_no_configuration_are_refused(tmp_path, content, message):
    (tmp_path / "c.yaml").write_text(content)
    with pytest.raises(ConfigError, match=message):
        read_config(tmp_path / "c.yaml")


def test_missing_files_are_named(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        read_config(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match=r"without train\.yaml"):
        read_config(tmp_path)


def test_commands_print_example_and_schema():
    example = CliRunner().invoke(app, ["train", "--example"])
    assert example.exit_code == 0
    assert yaml.safe_load(example.stdout)["data"]["train"] == "train.extxyz"
    schema = CliRunner().invoke(app, ["schema"])
    assert json.loads(schema.stdout) == TrainConfig.model_json_schema()


def test_the_command_ends_with_a_sentence_and_status_one(tmp_path):
    (tmp_path / "c.yaml").write_text("data: {train: a.xyz}\ntraining: {lrr: 1}\n")
    result = CliRunner().invoke(app, ["train", str(tmp_path / "c.yaml")])
    assert result.exit_code == 1
    assert result.stderr == "error: `training.lrr`: unknown key; did you mean `training.lr`?\n"
