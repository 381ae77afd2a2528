import json

import yaml
from typer.testing import CliRunner

from mlpot.cli.app import app
from mlpot.config import TrainConfig


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
