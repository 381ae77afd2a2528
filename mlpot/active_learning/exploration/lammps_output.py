"""Reads the output of a LAMMPS that may have stopped at any moment: uncertainties, frames of the guard, dumps."""

from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import read
from numpy.typing import NDArray

from mlpot.data.structure import FloatArray

HEADER = 9
"""Lines of a dump before its atoms."""

SIGMA = "c_sigma[1]"


def read_sigmas(path: Path) -> list[FloatArray]:
    """Read a dump of one column: the values of all atoms, (n_atoms,), at each check that was written completely."""
    checks = []
    text = path.read_text() if path.is_file() else ""
    for block in text.split("ITEM: TIMESTEP\n")[1:]:
        rows = _rows(block)
        if rows:
            checks.append(np.array(rows, dtype=np.float64))
    return checks


def read_dumped(path: Path, elements: Sequence[str]) -> tuple[Atoms, FloatArray] | None:
    """Read a frame of `write_dump` with id, type, x, y, z and sigma.

    Parameters
    ----------
    path : Path
    elements : sequence of str
        In the order of the types.

    Returns
    -------
    atoms : ase.Atoms
    sigma : (n_atoms,), eV/A
        None instead of both if the frame was not written completely.
    """
    text = path.read_text()
    _, _, block = text.partition("ITEM: TIMESTEP\n")
    if not _rows(block):
        return None
    dumped = read(path, format="lammps-dump-text", specorder=list(elements))
    atoms = Atoms(dumped.numbers, dumped.positions, cell=dumped.cell.array, pbc=dumped.pbc)
    return atoms, np.asarray(dumped.arrays[SIGMA], dtype=np.float64).ravel()


def _rows(block: str) -> list[str]:
    """Lines of the atoms in a dump that begins with its step; none if some are missing."""
    *lines, _ = block.split("\n")  # the last one is empty or incomplete
    if len(lines) < HEADER:
        return []
    rows = lines[HEADER - 1 : HEADER - 1 + int(lines[2])]
    return rows if len(rows) == int(lines[2]) else []


def count_frames(path: Path) -> int:
    """Count the complete frames of extended XYZ; zero without a file."""
    return sum(1 for _ in _blocks(path))


def read_frames(path: Path, chosen: Sequence[int] | NDArray[np.int64]) -> Iterator[Atoms]:
    """Read some of the complete frames of extended XYZ, by index, one at a time to save memory."""
    indices = {int(index) for index in chosen}
    for index, block in enumerate(_blocks(path)):
        if index in indices:
            yield read(StringIO(block), format="extxyz")


def _blocks(path: Path) -> Iterator[str]:
    """Text of each complete frame."""
    if not path.is_file():
        return
    with path.open(encoding="utf-8") as file:
        while first := file.readline():
            lines = [first, *(file.readline() for _ in range(int(first) + 1))]
            if not lines[-1].endswith("\n"):
                return
            yield "".join(lines)
