"""Run commands of `mlpot` in a folder with a structure."""

import pytest
from ase.build import bulk
from ase.io import write
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
