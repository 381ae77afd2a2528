"""What the native engine makes of files that are not right: a sentence, or the right numbers; never a crash."""

import re
import shutil
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest
from mlpot._native import NativeEngine

from mlpot.engine import NativeModel
from mlpot.errors import ModelFileError
from mlpot.export import save_model
from potentials import random_potential

SOURCES = Path(__file__).parents[2] / "plugins" / "native" / "tests"


def sealed(content):
    """The file with the checksum of its bytes at the end, as if it had been written so."""
    return content[:-8] + b"%08x" % zlib.crc32(content[:-8])


def header(content):
    """First and last byte of the header of the plain tensors."""
    first = content.index(b'{"', content.index(b"mlpot.safetensors"))
    return first, first + int.from_bytes(content[first - 8 : first], "little")


def load(path, content):
    """Empty if the engine takes the file, else what it says."""
    path.write_bytes(sealed(bytes(content)))
    try:
        NativeEngine(str(path))
    except RuntimeError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("region", ["header", "tensors", "anywhere"])
def test_changed_bytes_under_a_good_seal_do_no_harm(region, deep_model_file, tmp_path):
    content = deep_model_file.read_bytes()
    first, last = header(content)
    low, high = {"header": (first - 8, last), "tensors": (last, last + 4000), "anywhere": (0, len(content) - 8)}[region]
    rng = np.random.default_rng(0)
    answers = []
    for _ in range(200):
        changed = bytearray(content)
        for place in rng.integers(low, high, rng.integers(1, 4)):
            changed[place] = rng.integers(256)
        answers.append(load(tmp_path / "changed.pt", changed))
    assert all("changed.pt" in answer for answer in answers if answer)
    if region == "header":
        assert sum(map(bool, answers)) > 100


@pytest.mark.parametrize(
    ("pattern", "replacement", "message"),
    [
        (rb'"F64"', b'"F32"', "must have type F64, got F32"),
        (rb'"shape":\[8\]', b'"shape":[9]', r"must have shape \(8\), got \(9\)"),
        (rb'"layers.1.update"', b'"layers.1.updake"', "there is no layers.1.update"),
        (rb'"repulsion.radius"', b'"repulsion.radios"', "load it with mlpot.export.potential_from_file"),
        (rb'("layers.0.update".*?)"data_offsets":\[\d', rb'\1"data_offsets":[9', "lies outside of the file"),
        (rb'("repulsion.charge".*?)"shape":\[3\]', rb'\1"shape":[-]', "JSON"),
    ],
)
def test_says_what_is_wrong_with_the_tensors(pattern, replacement, message, deep_model_file, tmp_path):
    content = deep_model_file.read_bytes()
    first, last = header(content)
    text, n = re.subn(pattern, replacement, content[first:last])
    assert n > 0
    assert len(text) == last - first
    with pytest.raises(ModelFileError, match=message):
        NativeModel(write(tmp_path / "changed.pt", content[:first] + text + content[last:]))


def test_a_foreign_factor_is_refused(deep_model_file, tmp_path):
    """The products of the contraction index other arrays."""
    content = bytearray(deep_model_file.read_bytes())
    first, last = header(content)
    entry = re.search(rb'"layers.0.contraction.levels.1.factor".*?\[(\d+),(\d+)\]}', content[first:last])
    place = last + int(entry[1])
    content[place : place + 8] = (1000).to_bytes(8, "little")
    assert "factor that does not exist" in load(tmp_path / "changed.pt", content)


def write(path, content):
    path.write_bytes(sealed(content))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("vector_bytes", [16, 32, 64])
def test_the_sanitizers_find_nothing(vector_bytes, tmp_path):
    if shutil.which("cmake") is None:
        pytest.skip("needs cmake")
    configure = ["cmake", "-S", str(SOURCES), "-B", str(tmp_path / "build"), f"-DVECTOR_BYTES={vector_bytes}"]
    subprocess.run(configure, check=True, capture_output=True)
    subprocess.run(["cmake", "--build", str(tmp_path / "build")], check=True, capture_output=True)
    files = []
    for layers, lmax, channels in ((1, 3, 5), (2, 4, 9), (3, 2, 17)):
        files.append(tmp_path / f"{layers}.pt")
        save_model(files[-1], random_potential(n_layers=layers, lmax=lmax, n_channels=channels))
    content = files[1].read_bytes()
    first, last = header(content)
    rng = np.random.default_rng(1)
    for n in range(100):
        changed = bytearray(content)
        changed[rng.integers(first - 8, last + 4000)] = rng.integers(256)
        files.append(write(tmp_path / f"changed-{n}.pt", bytes(changed)))
    found = subprocess.run(
        [tmp_path / "build" / "check_engine", *files], check=False, capture_output=True, text=True, timeout=1800
    )
    assert found.returncode == 0, found.stdout + found.stderr
    lines = found.stdout.splitlines()
    assert lines[:3] == ["good"] * 3
    assert len(lines) == len(files)
