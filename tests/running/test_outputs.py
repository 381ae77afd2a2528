"""Outputs are refused where they could not be written later, and nothing is left behind."""

import os
from pathlib import Path

import pytest

from mlpot.errors import OutputError
from mlpot.running.outputs import FIGURES, check_output_file, check_output_folder


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("old.png").write_text("old")
    Path("link.png").symlink_to("nowhere")
    return tmp_path


def test_what_can_be_written_is_accepted_and_nothing_is_left(folder):
    for name in ("new.json", "old.png", folder / "new.json", os.devnull):
        check_output_file(Path(name))
    check_output_file(Path("new.PNG"), FIGURES)
    check_output_file(Path("new.db"), (".db",), overwrite=False)
    for name in (".", "a", "a/b", folder / "a" / "b"):
        check_output_folder(Path(name))
    assert sorted(path.name for path in folder.iterdir()) == ["link.png", "old.png"]
    assert Path("old.png").read_text() == "old"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("new.jpeg2", "must end in .pdf or .png or .svg, got '.jpeg2'"),
        ("none/new.png", "there is no folder none"),
        ("old.png/new.png", "old.png is not a folder"),
        ("/proc/new.png", "takes no files"),
        (".", "must end in"),
    ],
)
def test_files_that_cannot_be_written(folder, name, reason):
    with pytest.raises(OutputError, match=reason):
        check_output_file(Path(name), FIGURES)


@pytest.mark.parametrize("name", ["old.png", "link.png"])
def test_files_that_exist(folder, name):
    with pytest.raises(OutputError, match="exists already"):
        check_output_file(Path(name), overwrite=False)


def test_a_folder_in_place_of_a_file(folder):
    with pytest.raises(OutputError, match="is a folder"):
        check_output_file(folder)


@pytest.mark.parametrize("name", ["old.png", "old.png/a/b", "/proc/a", "link.png/a"])
def test_folders_that_cannot_be_made(folder, name):
    with pytest.raises(OutputError, match="cannot be"):
        check_output_folder(Path(name))
