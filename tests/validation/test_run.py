"""`mlpot check` as a whole: verdicts, files, exit status, Ctrl-C."""

import json
import os
import signal
import threading

import pytest
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.io import read, write
from rich.console import Console
from typer.testing import CliRunner

import mlpot
from mlpot.cli.app import app
from mlpot.errors import ConfigError
from mlpot.model_file.registry import find_potential
from mlpot.validation import CheckSettings, run_check
from mlpot.validation.run import all_checks
from mlpot.validation.stability import check_stability
from mlpot.validation.test_system import Subject, prepare

pytestmark = pytest.mark.lammps
SHORT = {"time": 0.1, "starts": 3, "conservation_time": 1.0}


def test_the_shipped_potential(tmp_path):
    settings = CheckSettings(("Si:diamond:5.43",), stable=True, **SHORT)
    verdicts = run_check(find_potential("Si-dft/fast"), settings, tmp_path, Console(quiet=True))
    exact = {"derivatives", "symmetries", "engines", "lammps", "relaxation", "phonons", "conservation"}
    assert {v.name: v.sentence for v in verdicts if v.status != "passed" and v.name in exact} == {}
    learned = {"dimers", "trimers", "rattles", "compression", "random structures", "hot"}
    assert {v.name for v in verdicts} == exact | learned
    written = json.loads((tmp_path / "check.json").read_text())
    assert written["passed"] == all(v.status == "passed" for v in verdicts)
    assert written["complete"]
    assert written["structures"] == ["Si:diamond:5.43"]
    assert [check["name"] for check in written["checks"]] == [v.name for v in verdicts]
    assert (tmp_path / "check.png").stat().st_size > 50_000


def test_a_bad_model(tmp_path, bad_model):
    arguments = ["check", str(bad_model), "--time", "0.1", "--starts", "10", "--output", str(tmp_path)]
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


def test_stopped_by_the_user(tmp_path):
    settings = CheckSettings(("Si",), time=1000.0, starts=3)
    timer = threading.Timer(4.0, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            run_check(find_potential("Si-dft/fast"), settings, tmp_path, Console(quiet=True))
    finally:
        timer.cancel()
    written = json.loads((tmp_path / "check.json").read_text())
    assert not written["complete"]
    assert written["checks"][-1]["sentence"] == "not run: stopped"


def test_several_structures_and_molecules(tmp_path, model_file):
    write(tmp_path / "water.xyz", molecule("H2O"))
    calculator = mlpot.load(model_file, precision="double")
    crystal = Subject("Si:diamond:5.43", bulk("Si"), -5.0, "")
    subjects = [crystal, prepare(str(tmp_path / "water.xyz"), calculator)]
    names = [check.name for check in all_checks(calculator, subjects, CheckSettings())]
    assert "Si:diamond:5.43 compression" in names
    assert "water.xyz hot" in names
    assert "water.xyz compression" not in names
    assert [round(subject.hot(None)) for subject in subjects] == [3374, 1000]
    assert subjects[0].hot(1500.0) == 3000.0


def test_a_molecule_in_a_file(tmp_path, model_file):
    write(tmp_path / "water.xyz", molecule("H2O"))
    settings = CheckSettings((str(tmp_path / "water.xyz"),), **SHORT)
    verdicts = {v.name: v for v in run_check(model_file, settings, tmp_path / "out", Console(quiet=True))}
    assert {"compression", "random structures", "phonons"}.isdisjoint(verdicts)
    for name in ("derivatives", "symmetries", "engines", "lammps"):
        assert verdicts[name].status == "passed", verdicts[name].sentence


def test_no_structure_for_a_compound(model_file):
    calculator = mlpot.load(model_file, precision="double")
    checks = list(all_checks(calculator, [], CheckSettings()))
    assert checks[-1].verdict(lambda part: None).sentence.startswith("no structure: give --structure")


def test_a_structure_that_does_not_hold():
    subject = prepare("Cu:fcc:2.8", EMT())
    assert subject.problem == "the volume of Cu:fcc:2.8 changes to 2.11 of the given one when it is relaxed"
    assert prepare("Cu:fcc:3.5", EMT()).problem == ""


def test_an_unstable_crystal(silicon):
    verdict = check_stability(bulk("Si", "bcc", a=3.1), silicon, 5.0, lambda part: None)
    assert verdict.status == "failed"
    assert "phonons are imaginary" in verdict.sentence or "a strain costs no energy" in verdict.sentence


@pytest.mark.parametrize("wrong", [{"time": 0.0}, {"melting_point": -1.0}])
def test_settings_that_make_no_sense(wrong):
    with pytest.raises(ConfigError, match="must be above 0"):
        CheckSettings(**wrong)
