"""OUTCAR files of VASP, also of calculations that did not end."""

import re
from collections.abc import Iterator
from pathlib import Path

from ase import Atoms
from ase.io.vasp import iread_vasp_out

from mlpot.data.findings import Finding

_STEP = re.compile(r"Iteration\s+(\d+)\(")


def complete_frames(path: Path) -> Iterator[Atoms]:
    """Ionic steps up to the first one that cannot be read.

    Raises
    ------
    Exception
        Whatever ASE raises where the first step is broken already.
    """
    count = 0
    with path.open(encoding="utf-8", errors="replace") as file:
        try:
            for atoms in iread_vasp_out(file, ":"):
                yield atoms
                count += 1
        except Exception:  # ASE raises many kinds for a step that is cut off or overflows
            if count == 0:
                raise


def incomplete_steps(path: Path, n_read: int) -> Finding | None:
    """Warning about ionic steps that were begun but not read; None where there are none.

    Parameters
    ----------
    path : Path
    n_read : int
        Steps that `complete_frames` found.
    """
    begun = 0
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            if match := _STEP.search(line):
                begun = max(begun, int(match[1]))
    if begun <= n_read:
        return None
    message = f"{path} is incomplete: {n_read} of {begun} ionic steps can be read, the others are left out"
    return Finding("warning", "incomplete-file", message, "continue the calculation if the missing steps matter")
