"""Parts of the installation are tried; working, absent and broken ones are distinguished."""

import re
import sys
from pathlib import Path

import pytest

from mlpot import installation

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def parts():
    return {part.name: part for part in installation.examine()}


def test_this_environment_works(parts):
    for name in ("Python", "platform", "packages", "extra train", "extra properties", "torch", "native engine"):
        assert parts[name].status == "works", parts[name]
    assert sys.executable in parts["Python"].detail
    assert set(parts) >= {"C++ compiler", "GPU", "LAMMPS", "torch engine for LAMMPS", "shipped potentials"}


@pytest.mark.lammps
def test_lammps_runs_on_two_ranks(parts):
    assert parts["LAMMPS"].status == "works", parts["LAMMPS"]
    assert "2 ranks run" in parts["MPI"].detail


def test_each_broken_part_has_a_remedy(parts):
    for part in parts.values():
        assert part.status in ("works", "absent", "broken")
        if part.status == "broken":
            assert part.remedy, part


@pytest.mark.parametrize(("extra", "key"), [("", "dependencies"), ("train", "train"), ("properties", "properties")])
def test_requirements_are_those_of_pyproject(extra, key):
    listed = re.search(rf"\n{key} = \[(.*?)\]", (ROOT / "pyproject.toml").read_text(), re.DOTALL)[1]
    assert sorted(installation.requirements(extra)) == sorted(re.findall(r'"([a-z0-9-]+)', listed))


def test_a_missing_package_is_named():
    part = installation._part_of_packages("extra x", ["numpy", "no-such-package"], "absent", "pip install it")
    assert (part.status, part.remedy) == ("absent", "pip install it")
    assert part.detail == "not installed: no-such-package"


def test_modules_are_found_under_their_own_names():
    assert set(installation._modules_of(["PyYAML", "lightning-fabric"])) >= {"yaml", "lightning_fabric"}


def test_a_module_that_cannot_be_imported_is_found():
    result = installation._import(["sys", "module_that_does_not_exist"])
    assert result.returncode != 0
    assert "module_that_does_not_exist" in installation._last_line(result)


def test_the_current_folder_shadows_nothing(tmp_path, monkeypatch):
    """As in a clone, whose folder `mlpot` has no compiled engine."""
    (tmp_path / "colorsys.py").write_text("raise ImportError('shadowed')")
    monkeypatch.chdir(tmp_path)
    assert installation._import(["colorsys"]).returncode == 0


def test_a_compiler_that_fails_is_found(monkeypatch, tmp_path):
    compiler = tmp_path / "g++"
    compiler.write_text("#!/bin/sh\necho broken compiler >&2\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    (part,) = installation._compilers()
    assert part.status == "broken"
    assert "broken compiler" in part.detail
    monkeypatch.setenv("PATH", "")
    (part,) = installation._compilers()
    assert part.status == "absent"


def test_commands_have_a_time_limit(monkeypatch):
    monkeypatch.setattr(installation, "TIME_LIMIT", 0.2)
    result = installation._run([sys.executable, "-c", "import time; time.sleep(30)"])
    assert result.returncode == 124
    assert installation._last_line(result).startswith("no answer within")


def test_an_error_on_the_way_is_a_finding():
    def _engine():
        raise FileNotFoundError("no such place")

    (part,) = installation._guarded(_engine)
    assert (part.name, part.status) == ("engine", "broken")
    assert "no such place" in part.detail
