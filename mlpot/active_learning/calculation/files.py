"""JSON files and archives of a task folder, written atomically."""

import hashlib
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlpot.running.atomic_write import replace_atomically, write_atomically


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write plain values; floats keep all digits, also NaN and infinity."""
    write_atomically(path, json.dumps(content))


def read_json(path: Path) -> dict[str, Any] | None:
    """Read a file of `write_json`; None if it is missing or something else."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def pack(folder: Path, target: Path, largest: float) -> tuple[str, list[str]]:
    """Compress the files of a folder.

    Parameters
    ----------
    folder : Path
    target : Path
        ``*.tar.xz``, outside of the folder.
    largest : float, bytes
        Larger files are left out.

    Returns
    -------
    sha256 : str
        Of the archive.
    left_out : list of str
        Names of files that are too large.
    """
    left_out = []
    with replace_atomically(target) as partial, tarfile.open(partial, mode="w:xz", preset=1) as archive:
        for path in sorted(one for one in folder.rglob("*") if one.is_file() and not one.is_symlink()):
            name = str(path.relative_to(folder))
            if path.stat().st_size > largest:
                left_out.append(name)
            else:
                archive.add(path, name)
    return hashlib.sha256(target.read_bytes()).hexdigest(), left_out
