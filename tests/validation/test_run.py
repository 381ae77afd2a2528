"""All checks of a model: results, files, Ctrl-C."""

import json
import os
import signal

import pytest
from ase.build import bulk, molecule
from ase.io import write

import mlpot
from mlpot.errors import ConfigError
from mlpot.model_file.registry import find_potential
from mlpot.validation import CheckSettings, run_check
from mlpot.validation.run import all_checks
from mlpot.validation.system_under_test import SystemUnderTest, prepare

pytestmark = pytest.mark.lammps
SHORT = {"time": 0.1, "starts": 3, "conservation_time": 1.0}


def test_the_shipped_potential(tmp_path):
    settings = CheckSettings(("Si:diamond:5.43",), stable=True, **SHORT)
    report = run_check(find_potential("Si-dft/fast"), settings)
    report.write(tmp_path)
    results = report.results
    exact = {"derivatives", "symmetries", "engines", "lammps", "relaxation", "phonons", "conservation"}
    assert {v.name: v.sentence for v in results if v.status != "passed" and v.name in exact} == {}
    learned = {"dimers", "trimers", "rattles", "compression", "random structures", "high-temperature MD"}
    assert {v.name for v in results} == exact | learned
    written = json.loads((tmp_path / "check.json").read_text())
    assert written["passed"] == all(v.status == "passed" for v in results)
    assert written["complete"]
    assert written["structures"] == ["Si:diamond:5.43"]
    assert [check["name"] for check in written["checks"]] == [v.name for v in results]
    assert (tmp_path / "check.png").stat().st_size > 50_000


def test_interrupted(tmp_path):
    """Ctrl-C in the last check leaves the results of the others."""

    def interrupt(name, fraction):
        if name.endswith("high-temperature MD") and not interrupted:
            interrupted.append(name)
            os.kill(os.getpid(), signal.SIGINT)

    interrupted = []
    settings = CheckSettings(("Si",), time=1000.0, starts=3, conservation_time=0.1)
    report = run_check(find_potential("Si-dft/fast"), settings, interrupt)
    report.write(tmp_path)
    written = json.loads((tmp_path / "check.json").read_text())
    assert report.interrupted
    assert not written["complete"]
    assert written["checks"][-1]["sentence"] == "not run: interrupted"
    assert written["checks"][0]["status"] != "skipped"


def test_several_structures_and_molecules(tmp_path, model_file):
    write(tmp_path / "water.xyz", molecule("H2O"))
    calculator = mlpot.load(model_file, precision="double")
    crystal = SystemUnderTest("Si:diamond:5.43", bulk("Si"), -5.0, "")
    systems = [crystal, prepare(str(tmp_path / "water.xyz"), calculator)]
    names = [check.name for check in all_checks(calculator, systems, CheckSettings())]
    assert "Si:diamond:5.43 compression" in names
    assert "water.xyz high-temperature MD" in names
    assert "water.xyz compression" not in names
    assert [round(system.high_temperature(None)) for system in systems] == [3374, 1000]
    assert systems[0].high_temperature(1500.0) == 3000.0


def test_a_molecule_in_a_file(tmp_path, model_file):
    write(tmp_path / "water.xyz", molecule("H2O"))
    settings = CheckSettings((str(tmp_path / "water.xyz"),), **SHORT)
    results = {result.name: result for result in run_check(model_file, settings).results}
    assert {"compression", "random structures", "phonons"}.isdisjoint(results)
    for name in ("derivatives", "symmetries", "engines", "lammps"):
        assert results[name].status == "passed", results[name].sentence


def test_no_structure_for_a_compound(model_file):
    calculator = mlpot.load(model_file, precision="double")
    checks = list(all_checks(calculator, [], CheckSettings()))
    assert checks[-1].result(lambda fraction: None).sentence.startswith("no structure: give --structure")


@pytest.mark.parametrize("wrong", [{"time": 0.0}, {"melting_point": -1.0}])
def test_settings_that_make_no_sense(wrong):
    with pytest.raises(ConfigError, match="must be above 0"):
        CheckSettings(**wrong)
