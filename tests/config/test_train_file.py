import json

import pytest

from mlpot.config import TrainConfig
from mlpot.config.train_file import portable, read_train_config, write_train_config
from mlpot.config.yaml import validated
from mlpot.errors import ConfigError


def test_a_written_configuration_reads_back_equal_and_moves_with_its_data(tmp_path):
    config = validated(
        TrainConfig, {"data": {"train": str(tmp_path / "data" / "a.xyz"), "test": str(tmp_path / "t.xyz")}}
    )
    (tmp_path / "old" / "run").mkdir(parents=True)
    write_train_config(config, tmp_path / "old" / "run" / "train.yaml")
    again = read_train_config(tmp_path / "old" / "run")
    assert again.data.train[0].resolve() == tmp_path / "data" / "a.xyz"
    assert again.model_copy(update={"data": config.data, "run": config.run}) == config
    (tmp_path / "old").rename(tmp_path / "new")
    assert read_train_config(tmp_path / "new" / "run").data.test[0].resolve() == tmp_path / "t.xyz"


def test_portable_values_hold_no_folders():
    config = validated(TrainConfig, {"data": {"train": "/secret/place/a.xyz"}, "run": {"output": "/secret/run"}})
    assert "secret" not in json.dumps(portable(config))


def test_a_data_file_alone_is_enough(tmp_path):
    (tmp_path / "data.extxyz").touch()
    config = read_train_config(
        tmp_path / "data.extxyz", ["training.lr=0.02", "model.lmax=2"], {"model": {"preset": "max"}}
    )
    assert config.data.train == [tmp_path / "data.extxyz"]
    assert (config.training.lr, config.model.lmax, config.model.message_lmax) == (0.02, 2, 2)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        read_train_config(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match=r"without train\.yaml"):
        read_train_config(tmp_path)
