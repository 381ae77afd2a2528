"""The archive of a model file: what is broken under a valid checksum is refused with one sentence in every reader."""

import io
import struct
import zipfile

import pytest
from damaged_files import with_checksum, with_member
from mlpot._native import NativeEngine as CompiledEngine

from mlpot.errors import ModelFileError
from mlpot.model_file.archive import read_members, write_members
from mlpot.model_file.bundle import ModelBundle
from mlpot.model_file.manifest import FORMAT_VERSION

ENTRY = b"PK\x01\x02"
SIZES, NAME, PLACE = 20, 46, 42
"""Places in an entry of the directory: two sizes, the name, the place of the member."""


@pytest.fixture(scope="module")
def content(model_file):
    return model_file.read_bytes()


def entries(content):
    """Places of the entries of the directory, in order."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        place = archive.start_dir
        for _ in archive.infolist():
            yield place
            sizes = struct.unpack_from("<HHH", content, place + 28)
            place += NAME + sum(sizes)


def with_directory(content, change):
    """The file after a change of its directory."""
    changed = bytearray(content)
    change(changed, list(entries(content)))
    return with_checksum(bytes(changed))


def longer_member(content, places):
    size = int.from_bytes(content[places[0] + SIZES : places[0] + SIZES + 4], "little") + 100
    content[places[0] + SIZES : places[0] + SIZES + 8] = 2 * size.to_bytes(4, "little")


def member_in_the_directory(content, places):
    size = len(content) - 2000
    content[places[-1] + SIZES : places[-1] + SIZES + 8] = 2 * size.to_bytes(4, "little")


def same_place(content, places):
    content[places[1] + PLACE : places[1] + PLACE + 4] = content[places[0] + PLACE : places[0] + PLACE + 4]


def another_folder(content, places):
    content[places[0] + NAME : places[0] + NAME + 7] = b"Archive"


def no_folder(content, places):
    content[places[0] + NAME + 7 : places[0] + NAME + 8] = b"_"


def beyond_the_end(content, places):
    content[places[0] + PLACE : places[0] + PLACE + 4] = struct.pack("<I", len(content) + 5)


CHANGES = {
    change.__name__: change
    for change in (longer_member, member_in_the_directory, same_place, another_folder, no_folder, beyond_the_end)
}


@pytest.mark.parametrize("name", CHANGES)
def test_broken_directories(name, content, tmp_path):
    changed = with_directory(content, CHANGES[name])
    for error in refusals(tmp_path / "changed.pt", changed):
        assert "is an archive" in error


def test_two_members_of_the_same_name(content, tmp_path):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        pair = [name.encode() for name in archive.namelist() if name.startswith("archive/data/1") and len(name) == 15]
    changed = with_checksum(content.replace(pair[1], pair[0]))
    for error in refusals(tmp_path / "changed.pt", changed):
        assert "is an archive with two members of the same name" in error


def test_compressed_members_are_not_read(content, tmp_path):
    changed = with_member(content, "extra/mlpot.json", bytes, compress_type=zipfile.ZIP_DEFLATED)
    for error in refusals(tmp_path / "changed.pt", changed):
        assert "manifest" in error


def test_files_of_the_previous_format(content, tmp_path):
    """TorchScript compressed some members of it."""
    own = b'"format_version": %d,' % FORMAT_VERSION
    changed = with_member(content, "extra/mlpot.json", lambda text: text.replace(own, b'"format_version": 8,'))
    changed = with_member(changed, "constants.pkl", bytes, compress_type=zipfile.ZIP_DEFLATED)
    for error in refusals(tmp_path / "old.pt", changed):
        assert f"has format 8; this mlpot reads format {FORMAT_VERSION}: train it again" in error


def test_members_come_back(tmp_path):
    members = {"extra/mlpot.json": b"{}", "data/0": b"", "data/1": bytes(range(256))}
    content = write_members(members)
    assert read_members(tmp_path, content) == members
    assert content == write_members(members)


def refusals(path, content):
    """Messages of Python and of the compiled engine: one line each, with the file."""
    path.write_bytes(content)
    with pytest.raises(ModelFileError) as in_python:
        ModelBundle.read(path)
    with pytest.raises(RuntimeError) as compiled:
        CompiledEngine(content, str(path))
    messages = [str(in_python.value), str(compiled.value)]
    assert all(str(path) in message and "\n" not in message for message in messages)
    return messages
