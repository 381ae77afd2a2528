"""Defective files in the native engine: an error message or the right numbers, never a crash."""

import re

import numpy as np
import pytest
from damaged_files import index_place, tensor_place, with_checksum
from mlpot._native import NativeEngine as CompiledEngine


def load(path, content):
    """Error message of the engine, empty if the file is valid."""
    try:
        CompiledEngine(with_checksum(bytes(content)), str(path))
    except RuntimeError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("region", ["index", "tensors", "anywhere"])
def test_changed_bytes_under_a_valid_checksum_do_no_harm(region, deep_model_file, tmp_path):
    content = deep_model_file.read_bytes()
    weights = tensor_place(content, "layers.0.update")
    low, high = {"index": index_place(content), "tensors": weights, "anywhere": (0, len(content) - 8)}[region]
    rng = np.random.default_rng(0)
    messages = []
    for _ in range(200):
        changed = bytearray(content)
        for place in rng.integers(low, high, rng.integers(1, 4)):
            changed[place] = rng.integers(256)
        messages.append(load(tmp_path / "changed.pt", changed))
    assert all("changed.pt" in message for message in messages if message)
    if region == "index":
        assert sum(map(bool, messages)) > 100


@pytest.mark.parametrize(
    ("pattern", "replacement", "message"),
    [
        (b'"dtype":"F64"', b'"dtype":"I64"', "must have type F64, got I64"),
        (rb'"shape":\[8\]', b'"shape":[9]', r"must have shape \(8\), got \(9\)"),
        (b'"layers.1.update"', b'"layers.1.updake"', "there is no tensor layers.1.update"),
        (b'"repulsion.radius"', b'"repulsion.radios"', "there is no tensor repulsion.radius"),
        (rb'("repulsion.charge".*?)"shape":\[3\]', rb'\1"shape":[-]', "JSON"),
    ],
)
def test_errors_name_what_is_wrong_with_the_tensors(pattern, replacement, message, deep_model_file, tmp_path):
    content = deep_model_file.read_bytes()
    first, last = index_place(content)
    text, n = re.subn(pattern, replacement, content[first:last])
    assert n > 0
    assert len(text) == last - first
    assert re.search(message, load(tmp_path / "changed.pt", content[:first] + text + content[last:]))


def test_a_foreign_factor_is_refused(deep_model_file, tmp_path):
    """The products of the contraction index other arrays."""
    content = bytearray(deep_model_file.read_bytes())
    place, _ = tensor_place(content, "layers.0.contraction.levels.1.factor")
    content[place : place + 8] = (1000).to_bytes(8, "little")
    assert "factor that does not exist" in load(tmp_path / "changed.pt", content)
