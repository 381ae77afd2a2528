"""`mlpot data check` and `mlpot data convert` as a person types them."""

import ase.io
import pytest
from typer.testing import CliRunner

from mlpot.cli.app import app
from mlpot.data import dataset_hash, read_structures


@pytest.fixture
def file(frames, tmp_path):
    ase.io.write(tmp_path / "set.extxyz", frames)
    return tmp_path / "set.extxyz"


def run(*arguments):
    result = CliRunner().invoke(app, ["data", *map(str, arguments)], env={"COLUMNS": "160"})
    return result.exit_code, result.output


def test_check_of_good_data(file):
    status, output = run("check", file, "--strict")
    assert status == 0
    assert "42 structures: 0 errors, 0 warnings" in output
    assert "isolated atom" in output


def test_check_of_several_files_finds_the_copies(file):
    status, output = run("check", file, file)
    assert status == 0
    assert "duplicate" in output
    assert run("check", file, file, "--strict")[0] == 1


def test_check_of_broken_data(file, frames):
    spoilt = frames[5].copy()
    spoilt.info["energy"] = float("nan")
    ase.io.write(file, spoilt, append=True)
    status, output = run("check", file)
    assert status == 1
    assert "malformed-label" in output
    assert "frames 42" in output


def test_a_key_that_is_not_there_is_an_error(file):
    status, output = run("check", file, "--energy-key", "REF_energy")
    assert status == 1
    assert "no key `REF_energy`" in output


def test_convert(file, tmp_path):
    status, output = run("convert", file, tmp_path / "set.db", "--group-key", "config_type")
    assert status == 0
    assert "42 structures" in output
    assert dataset_hash(read_structures(tmp_path / "set.db")) == dataset_hash(read_structures(file))
    assert run("convert", file, tmp_path / "set.db")[0] == 1
