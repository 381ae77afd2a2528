"""LAMMPS with `pair_style mlpot`: started on any number of ranks (`run`), or as a library (`lammps`).

After installation plain ``lmp -in in.file`` has the pair style: the launcher of the wheel calls `plugin_directory`
(entry-point group ``lammps.plugins``), so this package must import quickly, without torch. ``from mlpot.lammps import
lammps`` gives LAMMPS' own Python class, with MPI loaded first.
"""

from typing import Any

from mlpot.lammps import launcher
from mlpot.lammps.installed_files import native_engine, plugin, plugin_directory, program
from mlpot.lammps.launcher import LammpsRun, command, environment, run
from mlpot.lammps.output import last_lines, read_thermo

__all__ = [
    "LammpsRun",
    "command",
    "environment",
    "last_lines",
    "native_engine",
    "plugin",
    "plugin_directory",
    "program",
    "read_thermo",
    "run",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401  # LAMMPS has no types
    """Load LAMMPS as a library only when the class ``lammps`` is used."""
    if name != "lammps":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return launcher.lammps
