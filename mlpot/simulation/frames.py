"""Structures and frames as files: the start of a run, its frames, and the frames around a failure."""

import os
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read, write
from ase.io.formats import filetype

from mlpot.errors import DataError, OutputError
from mlpot.neighbors.matscipy import check_atomic_numbers
from mlpot.running.atomic_write import replace_atomically
from mlpot.running.outputs import check_output_file


def read_structure(source: Path) -> Atoms:
    """Last structure of any file that ASE reads.

    Raises
    ------
    DataError
        The file cannot be read, or has atomic numbers of no element.
    """
    try:
        atoms = read(source)
        check_atomic_numbers(atoms)
    except Exception as error:  # ASE's readers raise errors of every type
        raise DataError(f"{source}: cannot be read as a structure: {error}") from error
    return atoms


def check_structure_file(target: Path, atoms: Atoms) -> None:
    """Refuse a file to which a structure could not be written later: the format is tried on the present one.

    Raises
    ------
    OutputError
        A format that is unknown or cannot hold these atoms, or as for `check_output_file`.
    """
    check_output_file(target)
    try:
        with TemporaryDirectory() as folder:
            write(Path(folder) / target.name, without_calculator(atoms))
    except Exception as error:  # ASE's writers raise errors of every type
        raise OutputError(
            f"{target}: cannot hold the structure in the format of this name ({error}): use .xyz, .cif, ..."
        ) from error


def write_structure(target: Path, atoms: Atoms) -> None:
    """Write a structure, with the results of its calculator, in the format of the file's name.

    The file is complete or as before; a symbolic link stays one. A device or pipe is written directly.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    file_format = filetype(target.name, read=False)  # ASE takes some formats from the whole name
    try:
        if target.exists() and not target.is_file():
            write(target, atoms, format=file_format)
            return
        with replace_atomically(target.resolve()) as partial:
            write(partial, atoms, format=file_format)
    except OSError as error:
        raise OutputError(f"{target}: the structure cannot be written: {error}") from error


def without_calculator(atoms: Atoms) -> Atoms:
    """Copy of the atoms without calculator, constraints and info."""
    return Atoms(
        numbers=atoms.numbers,
        positions=atoms.positions,
        momenta=atoms.get_momenta(),
        masses=atoms.get_masses() if atoms.has("masses") else None,
        cell=atoms.cell.array,
        pbc=atoms.pbc,
    )


def with_forces(atoms: Atoms) -> Atoms:
    """Copy of the atoms with the forces, if the calculator has computed them already."""
    frame = without_calculator(atoms)
    if atoms.calc is not None and not atoms.calc.calculation_required(atoms, ["forces"]):
        frame.calc = SinglePointCalculator(frame, forces=atoms.calc.results["forces"].copy())
    return frame


def append_frame(path: Path, frame: Atoms) -> None:
    """Append a frame to a file of extended XYZ; on a full disk the file keeps its whole frames.

    Raises
    ------
    DataError
        The frame cannot be written.
    """
    size = path.stat().st_size if path.exists() else 0
    try:
        with path.open("a") as file:
            write(file, frame, format="extxyz")
    except OSError as error:
        with suppress(OSError):
            os.truncate(path, size)
        raise DataError(f"{path}: the frame cannot be written: {error}; the frames before it are complete") from error


def save_failure(failed: Atoms, failed_path: Path, good: Atoms | None, good_path: Path) -> str:
    """Write the offending frame and the last good one (None where the first frame fails).

    Returns
    -------
    str
        Where they are, or why they could not be written; for an error message.
    """
    try:
        write(failed_path, without_calculator(failed), format="extxyz")
        if good is None:
            return f"The offending frame is in {failed_path}; it is the first one"
        write(good_path, good, format="extxyz")
    except OSError as error:
        return f"The frames could not be written: {error}"
    return f"The offending frame is in {failed_path}, the last good one in {good_path}"
