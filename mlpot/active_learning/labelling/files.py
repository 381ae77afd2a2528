"""Files that are whole or not there, whenever the process or the machine dies."""

import hashlib
import json
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PARTIAL = ".partial"


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write plain values, synced and renamed into place.

    Parameters
    ----------
    path : Path
    content : mapping
        Floats keep all their digits, NaN and infinity included.
    """
    partial = path.with_name(path.name + PARTIAL)
    with partial.open("w", encoding="utf-8") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    sync_folder(path.parent)


def read_json(path: Path) -> dict[str, Any] | None:
    """Read what `write_json` wrote; None where there is nothing or something else.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict or None
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def sync_folder(folder: Path) -> None:
    """Put the names in a folder on the disk.

    Parameters
    ----------
    folder : Path
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
    partial = target.with_name(target.name + PARTIAL)
    with partial.open("wb") as file:
        with tarfile.open(fileobj=file, mode="w:xz", preset=1) as archive:
            for path in sorted(one for one in folder.rglob("*") if one.is_file() and not one.is_symlink()):
                name = str(path.relative_to(folder))
                if path.stat().st_size > largest:
                    left_out.append(name)
                else:
                    archive.add(path, name)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(target)
    return hashlib.sha256(target.read_bytes()).hexdigest(), left_out
