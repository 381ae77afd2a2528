"""Defective files in the native engine: an error message or the right numbers, never a crash."""

import re

import numpy as np
import pytest
from damaged_files import header, with_checksum
from mlpot._native import NativeEngine as CompiledEngine

from mlpot.engines.native import NativeEngine
from mlpot.errors import ModelFileError


def load(path, content):
    """Error message of the engine, empty if the file is valid."""
    try:
        CompiledEngine(with_checksum(bytes(content)), str(path))
    except RuntimeError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("region", ["header", "tensors", "anywhere"])
def test_changed_bytes_under_a_valid_checksum_do_no_harm(region, deep_model_file, tmp_path):
    content = deep_model_file.read_bytes()
    first, last = header(content)
    low, high = {"header": (first - 8, last), "tensors": (last, last + 4000), "anywhere": (0, len(content) - 8)}[region]
    rng = np.random.default_rng(0)
    messages = []
    for _ in range(200):
        changed = bytearray(content)
        for place in rng.integers(low, high, rng.integers(1, 4)):
            changed[place] = rng.integers(256)
        messages.append(load(tmp_path / "changed.pt", changed))
    assert all("changed.pt" in message for message in messages if message)
    if region == "header":
        assert sum(map(bool, messages)) > 100


@pytest.mark.parametrize(
    ("pattern", "replacement", "message"),
    [
        (rb'"F64"', b'"F32"', "must have type F64, got F32"),
        (rb'"shape":\[8\]', b'"shape":[9]', r"must have shape \(8\), got \(9\)"),
        (rb'"layers.1.update"', b'"layers.1.updake"', "there is no layers.1.update"),
        (rb'"repulsion.radius"', b'"repulsion.radios"', "there is no repulsion.radius"),
        (rb'("layers.0.update".*?)"data_offsets":\[\d', rb'\1"data_offsets":[9', "lies outside of the file"),
        (rb'("repulsion.charge".*?)"shape":\[3\]', rb'\1"shape":[-]', "JSON"),
    ],
)
def test_errors_name_what_is_wrong_with_the_tensors(pattern, replacement, message, deep_model_file, tmp_path):
    content = deep_model_file.read_bytes()
    first, last = header(content)
    text, n = re.subn(pattern, replacement, content[first:last])
    assert n > 0
    assert len(text) == last - first
    with pytest.raises(ModelFileError, match=message):
        NativeEngine(write(tmp_path / "changed.pt", content[:first] + text + content[last:]))


def test_a_foreign_factor_is_refused(deep_model_file, tmp_path):
    """The products of the contraction index other arrays."""
    content = bytearray(deep_model_file.read_bytes())
    first, last = header(content)
    entry = re.search(rb'"layers.0.contraction.levels.1.factor".*?\[(\d+),(\d+)\]}', content[first:last])
    place = last + int(entry[1])
    content[place : place + 8] = (1000).to_bytes(8, "little")
    assert "factor that does not exist" in load(tmp_path / "changed.pt", content)


def write(path, content):
    path.write_bytes(with_checksum(content))
    return path
