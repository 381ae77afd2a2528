"""`mlpot properties`: table, JSON file, picture, and what happens to what cannot be computed."""

import json

import pytest
from ase.build import bulk
from ase.io import write
from typer.testing import CliRunner

import mlpot
from mlpot.cli.app import app
from mlpot.properties import elastic_constants, equation_of_state


def call(*arguments):
    return CliRunner().invoke(app, ["properties", *map(str, arguments)], env={"COLUMNS": "120"})


def test_silicon(tmp_path):
    result = call("Si-dft/fast", "--structure", "Si:diamond:5.43", "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    for expected in ("lattice constant a", "C44", "eV/atom", "J/m^2", "dimer Si-Si"):
        assert expected in result.output
    written = json.loads((tmp_path / "out" / "properties.json").read_text())
    calculator = mlpot.load("Si-dft/fast", precision="double")
    constants = elastic_constants(bulk("Si"), calculator).constants
    assert written["results"]["elastic"]["constants"] == pytest.approx(constants, rel=1e-6)
    state = equation_of_state(bulk("Si"), calculator)
    assert written["results"]["equation-of-state"]["lengths"] == pytest.approx(list(state.lengths), rel=1e-6)
    assert {"quantity": "volume", "value": f"{state.volume:.3f}", "unit": "A^3/atom"} in written["table"]
    assert len(written["results"]["phonons"]["frequencies"][0]) == 6
    assert written["not computed"] == {}
    assert (tmp_path / "out" / "properties.png").stat().st_size > 10_000


def test_one_failure_leaves_the_others(tmp_path, model_file):
    crystal = bulk("SiO", "rocksalt", a=4.5)
    write(tmp_path / "start.xyz", crystal)
    arguments = ("--only", "vacancies", "--only", "dimer-O-Si", "--output", tmp_path)
    result = call(model_file, "--structure", tmp_path / "start.xyz", *arguments)
    assert result.exit_code == 0, result.output
    written = json.loads((tmp_path / "properties.json").read_text())
    assert set(written["not computed"]) == {"vacancies"}
    assert set(written["results"]) == {"dimer-O-Si"}


def test_mistakes_are_named(tmp_path):
    result = call("Si-dft/fast", "--structure", "Si:diamond:5.43", "--only", "color", "--output", tmp_path)
    assert result.exit_code == 1
    assert "unknown properties color; expected some of equation-of-state" in result.output
    assert "neither a file" in call("Si-dft/fast", "--structure", "nothing", "--output", tmp_path).output


def test_an_element_that_the_model_lacks_gives_status_1(tmp_path):
    result = call("Si-dft/fast", "--structure", "Ge:diamond:5.66", "--output", tmp_path)
    assert result.exit_code == 1
    written = json.loads((tmp_path / "properties.json").read_text())
    assert written["results"] == {}
    assert len(written["not computed"]) == 6
