"""A missing package of an extra gives one sentence, in Python and on the command line."""

import subprocess
import sys

import pytest

from mlpot.errors import MLPotError
from mlpot.extras import MissingExtraError, install_command, needs

# A process in which packages of the extras cannot be found, as after `pip install .`.
WITHOUT_EXTRAS = """
import sys
ABSENT = {"torch", "e3nn", "lightning_fabric", "matplotlib", "pymatgen"}
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Finder())
"""


def run_without_extras(code, folder, text=""):
    command = [sys.executable, "-W", "error", "-c", WITHOUT_EXTRAS + code]
    return subprocess.run(command, cwd=folder, input=text, capture_output=True, text=True, check=False, timeout=240)


def test_the_sentence_names_package_and_extra():
    with pytest.raises(MissingExtraError, match=r"no_such_package.*'\.\[train\]'") as caught, needs("train"):
        import no_such_package  # noqa: F401, PLC0415
    assert isinstance(caught.value, MLPotError)
    assert isinstance(caught.value, ImportError)


def test_a_missing_module_of_mlpot_is_no_extra():
    with pytest.raises(ModuleNotFoundError, match=r"mlpot\.no_such_module"), needs("train"):
        import mlpot.no_such_module  # noqa: F401, PLC0415


PARTS = {
    "mlpot.training": "train",
    "mlpot.training.trainer": "train",
    "mlpot.model": "train",
    "mlpot.ood": "train",
    "mlpot.properties": "properties",
    "mlpot.validation": "properties",
}


def test_importing_a_part_without_its_extra(tmp_path):
    code = f"""
import importlib
for module in {list(PARTS)}:
    try:
        importlib.import_module(module)
    except ImportError as error:
        print(error)
"""
    result = run_without_extras(code, tmp_path)
    assert result.returncode == 0, result.stderr
    for line, extra in zip(result.stdout.splitlines(), PARTS.values(), strict=True):
        assert line.endswith(f"install it with: pip install '.[{extra}]' (in a clone of mlpot)")


def test_only_the_torch_engine_of_a_calculator_needs_an_extra(tmp_path):
    code = """
import mlpot
from ase import units
from ase.build import bulk
from ase.md.verlet import VelocityVerlet
atoms = bulk("Si", cubic=True)
atoms.rattle(0.05, seed=0)
atoms.calc = mlpot.load("Si")
atoms.get_forces(), atoms.get_stress()
atoms.calc.get_property("forces_std", atoms), atoms.calc.get_property("feature_distance", atoms)
dynamics = VelocityVerlet(atoms, 1.0 * units.fs)
dynamics.attach(mlpot.Guard(atoms, max_sigma=5.0))
dynamics.run(2)
mlpot.load("Si", engine="torch")
"""
    result = run_without_extras(code, tmp_path)
    assert result.stderr.splitlines()[-1].endswith(
        "torch is not installed; install it with: " + install_command("train")
    )


RUN_COMMANDS = """
import sys
from typer.testing import CliRunner
from mlpot.cli import app
for line in sys.stdin.read().splitlines():
    result = CliRunner().invoke(app, line.split())
    print(result.exit_code, result.output.splitlines()[-1] if result.exit_code else "")
"""


def test_commands_without_extras(tmp_path):
    """Those that need one end with one sentence, the others work."""
    (tmp_path / "start.xyz").write_text(
        '2\nLattice="0 2.7 2.7 2.7 0 2.7 2.7 2.7 0" pbc="T T T"\nSi 0 0 0\nSi 1.4 1.35 1.35\n'
    )
    commands = {
        "info Si": None,
        "relax Si start.xyz end.xyz": None,
        "md Si start.xyz --steps 4 --temperature 300 --trajectory run.xyz": None,
        "train --example": None,
        "schema": None,
        "properties Si --structure Si": "properties",
        "check Si": "properties",
        "train data.extxyz": "train",
        "evaluate Si data.extxyz": "train",
        "ood data.extxyz": "train",
        "benchmark": "train",
        "quickstart": "train",
    }
    result = run_without_extras(RUN_COMMANDS, tmp_path, "\n".join(commands))
    assert result.returncode == 0, result.stderr
    for line, (command, extra) in zip(result.stdout.splitlines(), commands.items(), strict=True):
        if extra is None:
            assert line.strip() == "0", f"{command}: {line}"
        else:
            assert line.startswith("1 error: the package "), f"{command}: {line}"
            assert line.endswith(f"pip install '.[{extra}]' (in a clone of mlpot)"), f"{command}: {line}"
