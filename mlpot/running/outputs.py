"""Checks of outputs before the work that makes them, the same for all commands."""

import os
import tempfile
from collections.abc import Collection
from pathlib import Path

from mlpot.errors import OutputError

FIGURES = (".pdf", ".png", ".svg")
"""Endings of figures."""


def check_output_file(path: Path, suffixes: Collection[str] = (), *, overwrite: bool = True) -> None:
    """Refuse a file that could not be written later; nothing is left behind.

    Parameters
    ----------
    path : Path
        Its folder must exist. A device such as ``/dev/stdout`` may be named.
    suffixes : collection of str
        Possible endings, such as ``.png``; none: any.
    overwrite : bool
        The file may exist.

    Raises
    ------
    OutputError
        Another ending, a folder in place of the file, a missing folder, or one that cannot be written.
    """
    if suffixes and path.suffix.lower() not in suffixes:
        raise OutputError(
            f"{path} must end in {' or '.join(sorted(suffixes))}, got {path.suffix!r}: choose another name"
        )
    if path.is_dir():
        raise OutputError(f"{path} is a folder: expected the name of a file to write")
    if os.path.lexists(path) and not overwrite:
        raise OutputError(f"{path} exists already: delete it, or choose another name")
    if path.exists():
        if not os.access(path, os.W_OK):
            raise OutputError(f"{path} cannot be written (no permission): choose another name")
        if not path.is_file():
            return  # a device
    if not path.parent.is_dir():
        raise OutputError(f"{path} cannot be written, {_no_folder(path.parent)}: make it, or choose another path")
    _try_to_write(path, path.parent)


def check_output_folder(path: Path) -> None:
    """Refuse a folder that cannot be made, or in which nothing can be written; nothing is left behind.

    Parameters
    ----------
    path : Path
        It may be missing, with the folders above it.

    Raises
    ------
    OutputError
    """
    existing = next(one for one in (path, *path.absolute().parents) if os.path.lexists(one))
    if not existing.is_dir():
        raise OutputError(f"{path} cannot be made, {_no_folder(existing)}: choose another path")
    _try_to_write(path, existing)


def _no_folder(path: Path) -> str:
    return f"{path} is not a folder" if os.path.lexists(path) else f"there is no folder {path}"


def _try_to_write(path: Path, folder: Path) -> None:
    """Write a byte to a nameless file: permissions, read-only and full disks, whatever the reason."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"0")
            file.flush()
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written, the folder {folder} takes no files ({error.strerror}): choose another path"
        ) from None
