"""Files that are complete or absent, whenever the process or the machine fails."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replace_atomically(path: Path) -> Iterator[Path]:
    """Write a file under a temporary name and rename it to `path` when the block ends without an error.

    Parameters
    ----------
    path : Path
        Its folder is created if necessary. An earlier file stays until the new one is on the disk.

    Yields
    ------
    Path
        Where to write: in the same folder, hidden, with the same suffixes.

    Examples
    --------
    >>> with replace_atomically(Path("table.csv")) as partial:  # doctest: +SKIP
    ...     np.savetxt(partial, table)
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{uuid.uuid4().hex[:8]}.{path.name}")
    try:
        yield partial
        _sync(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    sync_folder(path.parent)


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write bytes or UTF-8 text; see `replace_atomically`."""
    with replace_atomically(path) as partial:
        partial.write_bytes(content.encode() if isinstance(content, str) else content)


def sync_folder(folder: Path) -> None:
    """Make renamed files of a folder survive a power cut, where the file system supports it."""
    with suppress(OSError):
        _sync(folder)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
