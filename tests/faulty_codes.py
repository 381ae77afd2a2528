"""ASE calculators that fail in the ways of DFT codes; `faulty_codes:factory` in label settings."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from ase.calculators.calculator import CalculationFailed, Calculator, all_changes
from ase.calculators.emt import EMT

from mlpot.active_learning.store.identity import canonical_atoms, structure_id


class Faulty(EMT):
    """EMT with an action before each calculation, and one on its results."""

    def __init__(self, before=lambda atoms: None, after=lambda results: None):
        super().__init__()
        self._before, self._after = before, after

    def calculate(self, atoms=None, properties=("energy",), system_changes=tuple(all_changes)):
        self._before(atoms)
        super().calculate(atoms, properties, system_changes)
        self._after(self.results)


def slow(log, seconds=0.1):
    """Takes some time, and logs the start of every calculation."""

    def before(atoms):
        line = f"{structure_id(canonical_atoms(atoms))} {time.time()!r}\n"
        with open(log, "ab", buffering=0) as file:
            file.write(line.encode())
        time.sleep(seconds)

    return Faulty(before)


def shifted(offset_file):
    """Adds an energy per atom from a file, as after a change of pseudopotentials."""

    def after(results):
        offset = float(Path(offset_file).read_text())
        results["energy"] += offset * len(results["forces"])
        results["free_energy"] += offset * len(results["forces"])

    return Faulty(after=after)


def converging(mixing, needed=0.1):
    """Converges with a small mixing parameter only."""

    def before(atoms):
        if mixing > needed:
            raise CalculationFailed(f"no convergence with mixing {mixing}")

    return Faulty(before)


def invalid(kind):
    """Returns invalid values."""

    def after(results):
        if kind == "nan":
            results["forces"][0, 0] = np.nan
        elif kind == "shape":
            results["forces"] = results["forces"][:-1]
        elif kind == "huge":
            results["forces"] *= 1e9
        elif kind == "text":
            results["energy"] = results["free_energy"] = "no energy"

    return Faulty(after=after)


def hanging(pid_file):
    """Starts a child in a new session, as MPI launchers do, and never ends."""

    def before(atoms):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
        Path(pid_file).write_text(f"{os.getpid()} {child.pid}")
        time.sleep(600)

    return Faulty(before)


def crashing(sizes=None):
    """Segmentation fault, for all structures or those of some sizes."""

    def before(atoms):
        if sizes is None or len(atoms) in sizes:
            ctypes.string_at(0)

    return Faulty(before)


def killed(flag=None):
    """Killed by SIGKILL, as without memory; always, or while a file exists."""

    def before(atoms):
        if flag is None or Path(flag).exists():
            os.kill(os.getpid(), signal.SIGKILL)

    return Faulty(before)


def threaded(log):
    """Logs the numbers of threads of the code and its libraries."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    Path(log).write_text(" ".join(os.environ[name] for name in names))
    return Faulty()


def unconverged(directory):
    """Reports missing convergence only in its output, as some codes do."""
    return Faulty(lambda atoms: Path(directory, "code.out").write_text("... convergence NOT achieved after 1 step"))


def filling(directory, megabytes):
    """Fills the disk."""

    def before(atoms):
        with open(Path(directory) / "wavefunctions", "wb") as file:
            for _ in range(megabytes):
                file.write(os.urandom(1 << 20))
                file.flush()

    return Faulty(before)


class OnlyEnergy(Calculator):
    """A code without forces."""

    implemented_properties = ("energy",)

    def calculate(self, atoms=None, properties=("energy",), system_changes=tuple(all_changes)):
        super().calculate(atoms, properties, system_changes)
        self.results = {"energy": 0.0}
