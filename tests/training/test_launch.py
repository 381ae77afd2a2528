import io

import pytest
from emt_structures import small_config
from rich.console import Console

from mlpot.config.train_file import write_train_config
from mlpot.errors import ConfigError
from mlpot.model_file.manifest import read_manifest
from mlpot.training import train
from mlpot.training.display import Display, describe_errors
from mlpot.training.launch import UNFINISHED_STATUS, train_command

NO_OPTIONS = {"model": {"preset": None}, "run": {"output": None}}


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


def test_options_go_before_the_file(data_file, tmp_path):
    options = {"model": {"preset": None}, "run": {"output": tmp_path / "elsewhere"}}
    overrides = ["training.epochs=1", "model={cutoff: 3.5, n_channels: 2, lmax: 1}", "run.threads=1"]
    assert train_command(data_file, options, overrides, resume=False, max_time=None) == 0
    assert (tmp_path / "elsewhere" / "model.pt").exists()


def test_train_makes_the_committee_that_is_asked_for(data_file, tmp_path):
    wanted = {"committee": {"kind": "shallow", "members": 2}}
    result = train(small_config(data_file, tmp_path / "run", training=wanted))
    assert read_manifest(result.model).committee.kind == "shallow"


def test_train_refuses_a_committee_that_takes_several_processes(data_file, tmp_path):
    wanted = {"committee": {"kind": "deep", "members": 2}}
    with pytest.raises(ConfigError, match="train_members"):
        train(small_config(data_file, tmp_path / "run", training=wanted))


def test_a_source_is_needed():
    with pytest.raises(ConfigError, match="--example"):
        train_command(None, NO_OPTIONS, [], resume=False, max_time=None)


def test_progress_bar_shows_time_left_loss_and_errors(make_fit):
    fit, stream = make_fit(), io.StringIO()
    with Display(Console(file=stream, force_terminal=True, width=160)) as display:
        display.validated(fit, fit.add_row(None))
        display.stepped(fit, fit.step(fit.batches()[0], stop=False).loss)
    text = stream.getvalue()
    assert "epoch 0/2" in text
    assert "left" in text
    assert "loss" in text
    assert "meV/A" in text


def test_without_a_terminal_there_are_lines_now_and_then(make_fit):
    fit, stream = make_fit(), io.StringIO()
    with Display(Console(file=stream)) as display:
        row = fit.add_row(None)
        for _ in range(3):
            display.validated(fit, row)
    assert len(stream.getvalue().splitlines()) == 1


def test_silence_without_a_console(make_fit, capsys):
    fit = make_fit()
    with Display(None) as display:
        display.validated(fit, fit.add_row(None))
        display.stepped(fit, 1.0)
        display.say("text")
    assert capsys.readouterr() == ("", "")


def test_errors_are_worded_with_units():
    assert describe_errors({}) == ""
    assert describe_errors({"forces_rmse": 12.345}) == "validation rmse forces 12.3 meV/A"
