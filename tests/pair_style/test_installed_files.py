"""The plugin of the installed package is found where a clone hides the package."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mlpot
from mlpot import lammps

pytestmark = pytest.mark.lammps

# A package in the working folder goes before an installed one, unless that is editable.
SHADOWED = """
import sys
sys.meta_path[:] = [finder for finder in sys.meta_path if "Redirecting" not in type(finder).__name__]
import mlpot
from mlpot import lammps
print(mlpot.__path__[0])
print(lammps.plugin_directory())
"""


def test_a_clone_as_the_working_folder_does_not_hide_the_plugin(tmp_path):
    ignored = shutil.ignore_patterns("*.so", "__pycache__", "lammps_plugin")
    shutil.copytree(Path(mlpot.__file__).parent, tmp_path / "mlpot", ignore=ignored)
    result = subprocess.run([sys.executable, "-c", SHADOWED], cwd=tmp_path, capture_output=True, text=True, check=True)
    package, folder = result.stdout.splitlines()
    assert package == str(tmp_path / "mlpot")
    assert folder == lammps.plugin_directory()
