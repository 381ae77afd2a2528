"""Lookup of engines and potentials by the plugin, with the rules of Python."""

import ctypes
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ase.data import chemical_symbols
from lammps_systems import boxed, write_data

from mlpot import lammps
from mlpot.lammps import build_torch_engine
from mlpot.lammps.installed_files import mpi_library
from mlpot.model_file.manifest import read_manifest
from mlpot.model_file.registry import find_potential, known_potentials

pytestmark = pytest.mark.lammps

PLUGINS = Path(__file__).parents[2] / "plugins"
INPUT = "units metal\nread_data start.data\npair_style mlpot {options}\npair_coeff * * {model} H O Si\nrun 0\n"


@pytest.fixture
def plugin(tmp_path):
    """Folder with the plugin alone, as for another LAMMPS."""
    (tmp_path / "plugins").mkdir()
    shutil.copy(lammps.plugin(), tmp_path / "plugins")
    return tmp_path / "plugins"


@pytest.fixture
def library():
    return lammps.native_engine()


def run(plugin, model, options="engine native", **variables):
    """Output of LAMMPS without the launcher, which would add the plugin of this installation."""
    folder = plugin.parent
    write_data(folder / "start.data", boxed(6.0 * np.eye(3), 3, np.random.default_rng(1)))
    (folder / "in.lammps").write_text(INPUT.format(options=options, model=model))
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MLPOT_")}
    environment |= {"LAMMPS_PLUGIN_PATH": str(plugin), "XDG_CACHE_HOME": str(folder)}
    environment["LD_LIBRARY_PATH"] = str(mpi_library().parent)
    command = [lammps.program(), "-in", "in.lammps", "-log", "none"]
    result = subprocess.run(
        command, cwd=folder, env=environment | variables, capture_output=True, text=True, check=False
    )
    return result.stdout


def test_the_library_beside_the_plugin_is_an_engine(library):
    loaded = ctypes.CDLL(str(library))
    loaded.mlpot_engine_get_api.restype = ctypes.POINTER(ctypes.c_int)
    assert loaded.mlpot_engine_get_api()[0] == 6  # version of the interface


def test_it_is_found_beside_the_plugin(plugin, library, model_file):
    alone = run(plugin, model_file)
    assert "Pair style mlpot cannot find the engine native" in alone
    assert "Loop time" not in alone
    shutil.copy(library, plugin)
    together = run(plugin, model_file)
    assert "with engine native (" in together
    assert "Loop time" in together


def test_a_link_to_the_plugin_leads_to_the_library_beside_it(plugin, model_file):
    copy = plugin / lammps.plugin().name
    copy.unlink()
    copy.symlink_to(lammps.plugin())
    assert "with engine native (" in run(plugin, model_file)


def test_the_variable_goes_first_and_is_the_only_one(plugin, library, model_file):
    assert "with engine native (" in run(plugin, model_file, MLPOT_NATIVE_ENGINE=str(library))
    shutil.copy(library, plugin)
    broken = plugin / "not a library.so"
    broken.write_text("not a library")
    output = run(plugin, model_file, MLPOT_NATIVE_ENGINE=str(broken))
    assert "cannot find the engine native in a file that can be opened" in output
    assert str(broken) in output.replace("\n", "")
    assert "Loop time" not in output


def test_without_any_engine_auto_names_the_command_that_builds_one(plugin, model_file):
    output = run(plugin, model_file, options="")
    assert "cannot find the engine torch; build it once with: mlpot build-torch-engine" in output


def test_the_torch_engine_is_found_in_the_cache(plugin, model_file):
    build_torch_engine.ensure()
    cache = str(build_torch_engine.cache_folder().parent)
    assert "with engine torch " in run(plugin, model_file, "engine torch", XDG_CACHE_HOME=cache)


def test_models_lie_where_lammps_has_its_potentials(plugin, library, model_file):
    shutil.copy(library, plugin)
    folder = plugin.parent / "potentials"
    folder.mkdir()
    assert "Cannot find model file mine.pt" in run(plugin, "mine.pt")
    shutil.copy(model_file, folder / "mine.pt")
    assert "runs " + str(folder / "mine.pt") in run(plugin, "mine.pt", LAMMPS_POTENTIALS=f"nowhere:{folder}")


@pytest.mark.slow
def test_a_plugin_for_integers_of_other_sizes_is_refused(plugin, tmp_path, model_file):
    """The plugin of LAMMPS with -DLAMMPS_SIZES=bigbig, in the one of pip."""
    headers = [sys.executable, PLUGINS / "lammps" / "wheel_headers.py"]
    include, mpi, version = subprocess.run(headers, check=True, capture_output=True, text=True).stdout.split(";")
    (tmp_path / "CMakeLists.txt").write_text(
        f"""cmake_minimum_required(VERSION 3.18)
project(plugin LANGUAGES CXX)
set(LAMMPS_INCLUDE_DIR "{include}")
set(MPI_INCLUDE_DIR "{mpi}")
set(LAMMPS_VERSION_NUMBER {version.strip()})
set(LAMMPS_SIZE_FLAG LAMMPS_BIGBIG)
include("{PLUGINS / "lammps" / "plugin.cmake"}")
"""
    )
    for command in (["cmake", "-S", tmp_path, "-B", tmp_path / "build"], ["cmake", "--build", tmp_path / "build"]):
        subprocess.run(command, check=True, capture_output=True)
    shutil.copy(tmp_path / "build" / "mlpotplugin.so", plugin)
    output = run(plugin, model_file)
    assert "it was built for atom IDs of 8 bytes and step counts of 8, this LAMMPS has 4 and 8" in output
    assert "-DLAMMPS_SIZES=smallbig" in output
    assert "Loop time" not in output


POTENTIAL = """
clear
units metal
region box block 0 9 0 9 0 9
create_box 1 box
pair_style mlpot
pair_coeff * * {name} {element}
"""


def test_names_of_shipped_potentials_are_those_of_python(tmp_path):
    known = known_potentials()
    names = [*known, *(f"{name}/fast" for name in known if "fast" in known[name])]
    files = [find_potential(name) for name in names]
    elements = [chemical_symbols[read_manifest(file).atomic_numbers[0]] for file in files]
    (tmp_path / "Si").mkdir()  # a folder is no model file
    script = "".join(map(POTENTIAL.format_map, (dict(name=n, element=e) for n, e in zip(names, elements, strict=True))))
    output = lammps.run(script, ranks=1, directory=tmp_path).output
    found = re.findall(r"^Pair style mlpot runs (.*) with engine", output, re.MULTILINE)
    assert [Path(file).resolve() for file in found] == [file.resolve() for file in files]
