"""The model file as an archive: a zip with stored members in one folder, and a checksum in its comment.

Everything is checked before it is used; the native engine makes the same checks in ``plugins/engine/model_file.cpp``.
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from mlpot.errors import ModelFileError

CHECKSUM = b"mlpot-crc32:"
FOLDER = "archive/"
"""Folder of all members, as TorchScript calls it."""

_LOCAL_HEADER = 30
"""Bytes before the name of a member."""


def read_checked(path: Path) -> bytes:
    """Bytes of a model file after a check of its checksum.

    Raises
    ------
    ModelFileError
        The file is missing, foreign, cut or changed.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {error.strerror}") from error
    if not content.startswith(b"PK"):
        raise ModelFileError(f"{path}: is not an mlpot model file (a zip archive that `mlpot train` writes)")
    if content[-len(CHECKSUM) - 8 : -8] != CHECKSUM:
        raise ModelFileError(f"{path}: has no mlpot checksum at its end: it is cut off or was not written by mlpot")
    if content[-8:] != b"%08x" % zlib.crc32(content[:-8]):
        raise ModelFileError(f"{path}: is damaged: its checksum does not match; copy it again from its source")
    return content


def read_members(path: Path, content: bytes) -> dict[str, bytes]:
    """Read the stored members in the bytes of a model file, by their names without the folder.

    `path` is for error messages.

    Raises
    ------
    ModelFileError
        The archive is broken, or its members overlap, have the same name or lie in several folders.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            problem = _problem(archive)
            stored = [entry for entry in archive.infolist() if entry.compress_type == zipfile.ZIP_STORED]
            members = {} if problem else {entry.filename: archive.read(entry) for entry in stored}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, OSError, struct.error) as error:
        raise ModelFileError(f"{path}: is an archive that cannot be read: {error}") from error
    if problem:
        raise ModelFileError(f"{path}: is an archive {problem}")
    return {name.partition("/")[2]: member for name, member in members.items()}


def _problem(archive: zipfile.ZipFile) -> str:
    """Return what is wrong with the places and names of the members."""
    entries = sorted(archive.infolist(), key=lambda entry: entry.header_offset)
    if len({entry.filename for entry in entries}) != len(entries):
        return "with two members of the same name"
    if len({entry.filename.partition("/")[0] for entry in entries}) != 1:
        return "whose members are not in one folder"
    ends = [*(entry.header_offset for entry in entries[1:]), archive.start_dir]
    for entry, end in zip(entries, ends, strict=True):
        if entry.header_offset + _LOCAL_HEADER + len(entry.filename) + entry.compress_size > end:
            return "whose members overlap"
    return ""


def write_members(members: Mapping[str, bytes]) -> bytes:
    """Bytes of a model file with these members; equal members make equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, member in members.items():
            archive.writestr(zipfile.ZipInfo(FOLDER + name), member)  # without a date
    body = buffer.getvalue()[:-2] + struct.pack("<H", len(CHECKSUM) + 8) + CHECKSUM
    return body + b"%08x" % zlib.crc32(body)
