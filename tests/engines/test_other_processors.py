"""The native engine compiled for another processor, and run in an emulator, gives the numbers of this one."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

import mlpot
from mlpot.model_file.registry import find_potential
from mlpot.model_file.torchscript import save_model
from potentials import random_potential

pytestmark = pytest.mark.slow

SOURCES = Path(__file__).parents[2] / "plugins" / "native" / "tests"
COMPILER = "aarch64-linux-gnu-g++"
EMULATORS = ("qemu-aarch64-static", "qemu-aarch64")
MODELS = {
    "one": {"lmax": 4, "n_channels": 5, "correlation": 4},
    "two": {"n_layers": 2, "lmax": 3, "n_channels": 33, "message_lmax": 2},
    "three": {"n_layers": 3, "n_channels": 7, "message_lmax": 0, "species_embedding": 2, "zbl": False},
}


@pytest.fixture(scope="module")
def emulated(tmp_path_factory):
    """Command that runs model files as an ARM processor would."""
    emulator = next((name for name in EMULATORS if shutil.which(name)), None)
    missing = [name for name in ("cmake", COMPILER) if shutil.which(name) is None]
    if missing or emulator is None:
        needed = " and ".join([*missing, *([] if emulator else [EMULATORS[0]])])
        pytest.skip(f"needs {needed}: apt install g++-aarch64-linux-gnu qemu-user-static")
    folder = tmp_path_factory.mktemp("arm")
    processor = ["-DCMAKE_SYSTEM_NAME=Linux", "-DCMAKE_SYSTEM_PROCESSOR=aarch64", f"-DCMAKE_CXX_COMPILER={COMPILER}"]
    linking = "-DCMAKE_EXE_LINKER_FLAGS=-static"  # the emulator needs no libraries of that processor
    for command in (
        ["cmake", "-S", SOURCES, "-B", folder, "-DSANITIZERS=", *processor, linking],
        ["cmake", "--build", folder, "--target", "check_engine", "--parallel", "2"],
    ):
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    return [emulator, folder / "check_engine"]


def chain(n_elements, atomic_numbers):
    """The atoms of check_engine.cpp."""
    k = np.arange(17)
    positions = np.column_stack([1.1 * k, np.sin(2.0 * k), np.cos(3.0 * k)])
    return Atoms(numbers=np.array(atomic_numbers)[k % n_elements], positions=positions)


def test_arm_gives_the_same_numbers(emulated, tmp_path):
    files = [find_potential("Si-dft/fast")]
    for name, fields in MODELS.items():
        files.append(tmp_path / f"{name}.pt")
        save_model(files[-1], random_potential(**fields))
    done = subprocess.run([*emulated, *files], check=True, capture_output=True, text=True)
    for path, line in zip(files, done.stdout.splitlines(), strict=True):
        word, energy, size = line.split()
        calc = mlpot.MLPotCalculator(path, precision="double")
        numbers = calc.manifest.atomic_numbers
        atoms = chain(len(numbers), numbers)
        assert word == "good"
        assert float(energy) == pytest.approx(calc.get_potential_energy(atoms), rel=1e-13)
        assert float(size) == pytest.approx(np.abs(calc.get_forces(atoms)).sum(), rel=1e-12)


def test_arm_finds_the_neighbors(emulated):
    subprocess.run(emulated, check=True)
