"""Sources of the torch engine and their hash, which names its folder in the cache.

The build of the LAMMPS plugin (``plugins/lammps/plugin.cmake``) runs this file to compile the hash into the plugin, so
that the plugin opens only an engine of its own version. It imports nothing but the standard library.
"""

import hashlib
import sys
from pathlib import Path


def source_files(root: Path, *endings: str) -> list[Path]:
    """Return the files of ``engine`` and ``torch`` below `root` with one of the endings, sorted by path."""
    files = [file for part in ("engine", "torch") for file in (root / part).iterdir() if file.suffix in endings]
    return sorted(files)


def source_hash(root: Path) -> str:
    """Return the first digits of a hash of the names and contents of all sources below `root`."""
    lines = [f"{file.relative_to(root).as_posix()} {_sha256(file)}\n" for file in source_files(root, ".h", ".cpp")]
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:12]


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.stdout.write(source_hash(Path(sys.argv[1])))
