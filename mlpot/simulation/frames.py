"""Frames of a run on disk: what a step leaves behind, and the two frames that tell why a run was stopped."""

from pathlib import Path

from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write


def without_calculator(atoms: Atoms) -> Atoms:
    """Atoms without calculator, constraints and info: what is written of a step.

    Parameters
    ----------
    atoms : ase.Atoms

    Returns
    -------
    ase.Atoms
    """
    return Atoms(
        numbers=atoms.numbers,
        positions=atoms.positions,
        momenta=atoms.get_momenta(),
        masses=atoms.get_masses() if atoms.has("masses") else None,
        cell=atoms.cell.array,
        pbc=atoms.pbc,
    )


def with_forces(atoms: Atoms) -> Atoms:
    """Bare frame with the forces, if the calculator has them already.

    Parameters
    ----------
    atoms : ase.Atoms

    Returns
    -------
    ase.Atoms
    """
    frame = without_calculator(atoms)
    if atoms.calc is not None and not atoms.calc.calculation_required(atoms, ["forces"]):
        frame.calc = SinglePointCalculator(frame, forces=atoms.calc.results["forces"].copy())
    return frame


def save_failure(failed: Atoms, failed_path: Path, good: Atoms | None, good_path: Path) -> str:
    """Write the offending frame and the last good one.

    Parameters
    ----------
    failed : ase.Atoms
    failed_path : Path
    good : ase.Atoms or None
        None: the first frame has failed.
    good_path : Path

    Returns
    -------
    str
        A sentence that says where they are, or why not.
    """
    try:
        write(failed_path, without_calculator(failed), format="extxyz")
        if good is None:
            return f"The offending frame is in {failed_path}; it is the first one"
        write(good_path, good, format="extxyz")
    except OSError as error:
        return f"The frames could not be written: {error}"
    return f"The offending frame is in {failed_path}, the last good one in {good_path}"
