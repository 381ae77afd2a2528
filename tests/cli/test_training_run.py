import ase.io
import pytest
from emt_structures import emt_structures, small_config

from mlpot.cli.training_run import train_command
from mlpot.config.train_file import write_train_config
from mlpot.errors import ConfigError
from mlpot.running.stopping import UNFINISHED_STATUS

NO_OPTIONS = {"model": {"preset": None}, "run": {"output": None}}


@pytest.fixture(scope="module")
def data_file(tmp_path_factory):
    """File of 30 labelled copper-gold structures."""
    path = tmp_path_factory.mktemp("data") / "alloy.extxyz"
    ase.io.write(path, emt_structures(30), format="extxyz")
    return path


def test_a_run_ends_with_status_zero_and_its_model_named(data_file, tmp_path, capsys):
    write_train_config(small_config(data_file, tmp_path / "run"), tmp_path / "config.yaml")
    status = train_command(tmp_path / "config.yaml", NO_OPTIONS, ["training.epochs=1"], resume=False, max_time=None)
    message = capsys.readouterr().err
    assert status == 0
    assert "done: epoch 1" in message
    assert str(tmp_path / "run" / "model.pt") in message.replace("\n", "")
    assert "meV/atom" in message


def test_an_early_stop_has_a_status_of_its_own(data_file, tmp_path, capsys):
    write_train_config(small_config(data_file, tmp_path / "run"), tmp_path / "config.yaml")
    arguments = (tmp_path / "config.yaml", NO_OPTIONS, ["training.epochs=500"])
    assert train_command(*arguments, resume=False, max_time="0.1s") == UNFINISHED_STATUS
    message = capsys.readouterr().err
    assert "stopped (out of time (--max-time))" in message
    assert "--resume" in message
    assert train_command(*arguments, resume=True, max_time="0.1s") == UNFINISHED_STATUS


def test_options_take_precedence_over_the_file(data_file, tmp_path):
    options = {"model": {"preset": None}, "run": {"output": tmp_path / "elsewhere"}}
    overrides = ["training.epochs=1", "model={cutoff: 3.5, n_channels: 2, lmax: 1}", "run.threads=1"]
    assert train_command(data_file, options, overrides, resume=False, max_time=None) == 0
    assert (tmp_path / "elsewhere" / "model.pt").exists()


def test_a_source_is_needed():
    with pytest.raises(ConfigError, match="--example"):
        train_command(None, NO_OPTIONS, [], resume=False, max_time=None)


def test_a_deep_committee_that_is_stopped_has_the_status_of_an_early_stop(data_file, tmp_path, capsys):
    committee = {"kind": "deep", "members": 2}
    write_train_config(
        small_config(data_file, tmp_path / "run", training={"committee": committee}), tmp_path / "c.yaml"
    )
    assert train_command(tmp_path / "c.yaml", {}, [], resume=False, max_time="0.01s") == UNFINISHED_STATUS
    assert "--resume" in capsys.readouterr().err
