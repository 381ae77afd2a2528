"""One attempt at a calculation, in a process that may hang, crash or be killed: energy, forces, stress, checked.

Also ``python -m mlpot.active_learning.calculation.attempt FOLDER NUMBER``, for launchers of parallel codes: all ranks
run it, the first one writes.
"""

import errno
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import ase.parallel
import numpy as np
from ase.calculators.calculator import (
    BadConfiguration,
    CalculationFailed,
    Calculator,
    CalculatorSetupError,
    EnvironmentError,
    PropertyNotImplementedError,
)

from mlpot.active_learning.calculation.calculators import code_version, make_calculator, unconverged
from mlpot.active_learning.calculation.task import OUTCOME, Outcome, Task, read_task, write_outcome
from mlpot.data.structure import FloatArray, LabelledStructure
from mlpot.errors import ConfigError, DataError, LabelError

NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
DISK_FULL = 28
"""Exit status of a calculation that could not write its files."""

SETUP_ERRORS = (ConfigError, CalculatorSetupError, BadConfiguration, EnvironmentError, ImportError)
"""Errors that no other structure and no fallback settings avoid."""


def run_attempt(folder: Path, number: int) -> Outcome:
    """Compute one attempt at the task in a folder and write its outcome."""
    place = attempt_folder(folder, number)
    os.chdir(place)  # some codes write to the current folder
    task = read_task(folder)
    try:
        outcome = Outcome("done", "", compute(task, task.settings.attempts()[number], place))
    except SETUP_ERRORS as error:
        outcome = Outcome("unusable", _reason(error), {})
    except Exception as error:  # any error of a DFT code or its interface is a failed calculation
        if isinstance(error, OSError) and error.errno in NO_SPACE:
            raise
        traceback.print_exc()
        outcome = Outcome("unusable" if _no_command(error, place) else "failed", _reason(error), {})
    if ase.parallel.world.rank == 0:
        write_outcome(place / OUTCOME, outcome)
    return outcome


def attempt_folder(folder: Path, number: int) -> Path:
    """Folder in which an attempt runs."""
    return folder / f"attempt-{number}"


def compute(task: Task, parameters: dict[str, Any], place: Path) -> dict[str, Any]:
    """Compute the label of a structure.

    Parameters
    ----------
    task : Task
    parameters : dict
        Of the code.
    place : Path
        Folder for the files of the code.

    Returns
    -------
    dict
        Plain values: energy, energy_kind, forces, stress, code_version.

    Raises
    ------
    LabelError
        Not converged, or values that are not finite, of a wrong shape, or too large.
    """
    settings, atoms = task.settings, task.atoms.copy()
    calculator = make_calculator(settings.code, parameters, settings.command, place)
    atoms.calc = calculator
    forces = np.asarray(atoms.get_forces(), dtype=np.float64)
    energy, kind = _energy(calculator, atoms)
    stress = _stress(calculator, atoms) if settings.stress and atoms.pbc.all() else None
    if (problem := unconverged(calculator, place)) is not None:
        raise LabelError(problem)
    try:
        checked = LabelledStructure(task.atoms, energy, forces, stress)
    except DataError as error:
        raise LabelError(f"the code returned invalid values: {error}") from error
    largest = float(np.abs(forces).max())
    if largest > settings.largest_force:
        raise LabelError(f"a force of {largest:.3g} eV/A, expected below {settings.largest_force:g} (`largest_force`)")
    return {
        "energy": checked.energy,
        "energy_kind": kind,
        "forces": forces.tolist(),
        "stress": None if checked.stress is None else checked.stress.tolist(),
        "code_version": code_version(settings.code),
    }


def _energy(calculator: Calculator, atoms: Any) -> tuple[float, str]:  # noqa: ANN401  # ase has no types
    """Free energy if the code has one: forces are its derivatives, not those of the energy without smearing."""
    try:
        return calculator.get_property("free_energy", atoms), "free_energy"
    except (PropertyNotImplementedError, KeyError):
        return calculator.get_property("energy", atoms), "energy"


def _stress(calculator: Calculator, atoms: Any) -> FloatArray | None:  # noqa: ANN401  # ase has no types
    try:
        stress: FloatArray = calculator.get_property("stress", atoms)
    except (PropertyNotImplementedError, NotImplementedError):
        return None
    return stress


def _no_command(error: Exception, place: Path) -> bool:
    """Whether the command of the code is missing: a missing file outside of the folder of the calculation."""
    if isinstance(error, FileNotFoundError) and error.filename:
        name = Path(os.fsdecode(error.filename))
        return len(name.parts) == 1 or place not in name.absolute().parents
    return isinstance(error, CalculationFailed) and "127" in str(error)


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{text:.500}" if isinstance(error, ConfigError | LabelError) else f"{type(error).__name__}: {text:.500}"


def main() -> None:
    """Compute the attempt given on the command line; exit status `DISK_FULL` if nothing can be written."""
    try:
        run_attempt(Path(sys.argv[1]), int(sys.argv[2]))
    except OSError as error:
        traceback.print_exc()
        sys.exit(DISK_FULL if error.errno in NO_SPACE else 1)


if __name__ == "__main__":
    main()
