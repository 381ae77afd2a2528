"""`mlpot relax` and `mlpot md` as commands: files, status, messages."""

import csv

import numpy as np
import pytest
from ase.build import bulk
from ase.io import read, write
from typer.testing import CliRunner

from mlpot.cli.app import app


@pytest.fixture
def mlpot_command(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    atoms = bulk("Si")
    atoms.positions[1] += 0.05
    write("start.xyz", atoms)

    def call(*arguments):
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return call


def says_the_engine(result, precision):
    """In the first line of the output."""
    line = " ".join(result.output.split()[:12])
    return "native engine (" in line and precision in line


def test_relax(mlpot_command, model_file):
    result = mlpot_command("relax", model_file, "start.xyz", "end.cif", "--fmax", 0.02)
    assert result.exit_code == 0, result.output
    assert says_the_engine(result, "double precision")
    assert "yes" in result.output
    assert len(read("end.cif")) == 2
    result = mlpot_command("relax", model_file, "start.xyz", "end.cif", "--steps", 1, "--fmax", 1e-6)
    assert result.exit_code == 1
    assert "NO" in result.output


def test_md_and_restart(mlpot_command, model_file):
    common = ("md", model_file, "start.xyz", "--trajectory", "run.xyz", "--temperature", 300, "--interval", 2)
    assert mlpot_command(*common, "--steps", 4).exit_code == 0
    result = mlpot_command(*common, "--steps", 8, "--restart")
    assert result.exit_code == 0, result.output
    assert "atoms*steps/s" in result.output
    assert says_the_engine(result, "double precision")
    result = mlpot_command(*common, "--steps", 2, "--precision", "mixed", "--trajectory", "other.xyz")
    assert says_the_engine(result, "mixed precision")
    frames = read("run.xyz", ":")
    assert len(frames) == 5
    assert np.abs(frames[-1].get_momenta()).max() > 0
    with open("run.csv", newline="") as file:
        assert [int(row["step"]) for row in csv.DictReader(file)] == [0, 2, 4, 6, 8]


def test_errors_are_one_sentence(mlpot_command, model_file):
    result = mlpot_command("md", model_file, "start.xyz", "--trajectory", "run.xyz", "--steps", 4)
    assert result.exit_code == 1
    assert "error: `temperature` (K) must be given for nvt" in result.output
    assert "Traceback" not in result.output
    result = mlpot_command("relax", model_file, "nowhere.xyz", "end.xyz")
    assert result.exit_code == 1
    assert "error: nowhere.xyz: cannot be read as a structure" in result.output
