import os
import stat

import pytest

from mlpot.running.atomic_write import replace_atomically, write_atomically


def test_content_replaces_the_file(tmp_path):
    path = tmp_path / "new folder" / "result.json"
    write_atomically(path, "first Å")
    write_atomically(path, b"second")
    assert path.read_bytes() == b"second"
    assert os.listdir(path.parent) == ["result.json"]


def test_an_error_leaves_the_earlier_file(tmp_path):
    path = tmp_path / "result.json"
    write_atomically(path, "earlier")
    with pytest.raises(ZeroDivisionError), replace_atomically(path) as partial:
        partial.write_text(f"half {1 / 0}")
    assert path.read_text() == "earlier"
    assert os.listdir(tmp_path) == ["result.json"]


def test_the_file_is_replaced_only_at_the_end(tmp_path):
    path = tmp_path / "result.npz"
    with replace_atomically(path) as partial:
        assert partial.suffix == ".npz"
        assert partial.parent == path.parent
        partial.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"


def test_permissions_are_those_of_an_ordinary_file(tmp_path):
    ordinary, atomic = tmp_path / "ordinary", tmp_path / "atomic"
    ordinary.write_text("")
    write_atomically(atomic, "")
    assert stat.S_IMODE(atomic.stat().st_mode) == stat.S_IMODE(ordinary.stat().st_mode)
