"""`mlpot check`: files, output, status."""

import json

import pytest
from ase.io import read
from typer.testing import CliRunner

from mlpot.cli.app import app

pytestmark = pytest.mark.lammps


def test_a_bad_model(tmp_path, bad_model):
    arguments = ["check", str(bad_model), "--time", "0.1", "--starts", "3", "--output", str(tmp_path)]
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "150"})
    assert result.exit_code == 1, result.output
    written = json.loads((tmp_path / "check.json").read_text())
    assert not written["passed"]
    assert written["structures"] == ["Si"]
    status = {check["name"]: check["status"] for check in written["checks"]}
    assert {name for name, value in status.items() if value == "failed"} >= {"dimers", "trimers", "compression"}
    assert status["derivatives"] == status["lammps"] == "passed"
    assert status["phonons"] == "skipped"
    assert len(read(tmp_path / "random-structures.xyz", ":")) >= 1
    assert "random-structures.xyz" in result.output
