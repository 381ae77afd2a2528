"""Every command with files that are missing, empty, binary or folders, and with places where nothing can be written.

The commands come from the parser, so a new one is included: what it requires needs a value in `GOOD`, and what it
writes a line in `OUTPUTS`.
"""

import os
import shutil
from pathlib import Path
from typing import get_args, get_type_hints

import ase.io
import numpy as np
import pytest
import typer
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from typer.testing import CliRunner

from mlpot.active_learning.store.store import Store
from mlpot.cli.app import app
from mlpot.model_file.registry import find_potential

GOOD = {
    "model": "model.pt",
    "models": "model.pt",
    "data": "data.extxyz",
    "files": "data.extxyz",
    "held_out": "data.extxyz",
    "training_data": "data.extxyz",
    "test": "data.extxyz",
    "source": "start.xyz",
    "structure": "start.xyz",
    "structures": "start.xyz",
    "config": "loop.yaml",
    "path": "run.db",
    "steps": "1",
}
"""Argument or option -> a value that can be used; for what is read the suffix counts, too."""

OUTPUTS = {
    **{("evaluate", "json_path"): "x.json", ("evaluate", "plot"): "x.png"},
    **{("benchmark", "json_path"): "x.json", ("benchmark", "plot"): "x.png"},
    **{("relax", "target"): "x.cif", ("md", "trajectory"): "x.xyz"},
    **{("calibrate", "output"): "x.pt", ("committee attach", "output"): "x.pt", ("committee join", "output"): "x.pt"},
    **{("active report", "target"): "x.png", ("active export", "target"): "x.db", ("active backup", "target"): "x.db"},
    **{("data convert", "target"): "x.db"},
    **{(command, "output"): "folder" for command in ("train", "properties", "check", "quickstart", "ood")},
}
"""What commands write -> a name for it; folders have no suffix."""

ANY_SUFFIX = {("evaluate", "json_path"), ("benchmark", "json_path"), ("calibrate", "output")}
ANY_SUFFIX |= {("committee attach", "output"), ("committee join", "output")}
FILES_AS_TEXT = {"model", "models", "structures"}
"""Parameters of the type str, or list of it, that name files."""


def commands(group=None, name=()):
    """Names of all commands with their parsers."""
    for key, command in (group or typer.main.get_command(app)).commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*name, key))
        else:
            yield " ".join((*name, key)), command


COMMANDS = dict(commands())


def file_parameters(name):
    """Parameters of a command that name files."""
    hints = get_type_hints(COMMANDS[name].callback)
    for parameter in COMMANDS[name].params:
        kind = hints.get(parameter.name)
        text = parameter.name in FILES_AS_TEXT or (name, parameter.name) == ("properties", "structure")
        if text or kind is Path or Path in get_args(kind):
            yield parameter


def bad_inputs(good):
    suffix = Path(good).suffix or ".pt"
    return [
        f"missing{suffix}",
        f"empty{suffix}",
        f"binary{suffix}",
        f"text{suffix}",
        "a-folder",
        f"start.xyz/x{suffix}",
    ]


def bad_outputs(key):
    good = OUTPUTS[key]
    bad = [f"start.xyz/{good}", f"/proc/{good}"]
    if "." in good:
        bad += [f"missing/{good}", "a-folder"] + ([] if key in ANY_SUFFIX else ["x.unknown"])
    else:
        bad += ["start.xyz"]
    return bad


CASES = [
    (name, parameter.name, bad)
    for name in COMMANDS
    for parameter in file_parameters(name)
    for bad in (
        bad_outputs((name, parameter.name)) if (name, parameter.name) in OUTPUTS else bad_inputs(GOOD[parameter.name])
    )
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files that can be used, and files that cannot."""
    folder = tmp_path_factory.mktemp("files")
    crystal = bulk("Si")
    ase.io.write(folder / "start.xyz", crystal)
    crystal.calc = SinglePointCalculator(crystal, energy=-10.0, forces=np.zeros((2, 3)))
    ase.io.write(folder / "data.extxyz", crystal)
    shutil.copyfile(find_potential("Si-dft/fast"), folder / "model.pt")
    Store(folder / "run.db", create=True).close()
    (folder / "loop.yaml").write_text("systems: []\n")
    (folder / "a-folder").mkdir()
    for suffix in (".pt", ".xyz", ".extxyz", ".yaml", ".db"):
        (folder / f"empty{suffix}").touch()
        (folder / f"text{suffix}").write_text("notes of last year: [\n" * 20)
        (folder / f"binary{suffix}").write_bytes(np.random.default_rng(0).bytes(5000))
    return folder


def arguments(name, changed, value):
    """Words after `mlpot`: all arguments, what the command requires, and one value that is changed."""
    words = name.split() + (["--ensemble", "nve"] if name == "md" else [])
    for parameter in COMMANDS[name].params:
        if parameter.name == changed or parameter.required or parameter.param_type_name == "argument":
            key = name, parameter.name
            word = value if parameter.name == changed else OUTPUTS.get(key) or GOOD[parameter.name]
            words += [word] if parameter.param_type_name == "argument" else [parameter.opts[0], word]
    return words


def listing(folder):
    return sorted((str(path), path.stat().st_mtime_ns) for path in folder.rglob("*") if not path.is_dir())


@pytest.mark.parametrize(("name", "parameter", "bad"), CASES, ids=[" ".join(case) for case in CASES])
def test_bad_files_give_one_sentence_before_any_work(folder, monkeypatch, name, parameter, bad):
    monkeypatch.chdir(folder)
    before = listing(folder)
    result = CliRunner().invoke(app, arguments(name, parameter, bad), env={"COLUMNS": "200"})
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 1, result.output
    assert sum("error: " in line for line in result.output.splitlines()) == 1, result.output
    assert listing(folder) == before
    assert os.path.basename(bad) in result.output.replace("\n", "")


def test_every_command_is_tested_or_has_no_files():
    without = {name for name in COMMANDS if not any(file_parameters(name))}
    assert without == {"schema", "doctor", "build-torch-engine"}
