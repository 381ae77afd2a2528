"""Code for newer instruction sets stays in its own objects.

The linker keeps one copy of each weak symbol, from any object: one that is compiled for AVX-512 would stop the engine
on all other processors.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.sanitize

NATIVE = Path(__file__).parents[2] / "plugins" / "native"
PROJECT = f"""cmake_minimum_required(VERSION 3.18)
project(kernels LANGUAGES CXX)
include("{NATIVE / "native.cmake"}")
"""


def test_weak_symbols_of_kernels_name_their_instruction_set(tmp_path):
    if shutil.which("cmake") is None or shutil.which("nm") is None:
        pytest.skip("needs cmake and nm")
    (tmp_path / "CMakeLists.txt").write_text(PROJECT)
    configure = ["cmake", "-S", tmp_path, "-B", tmp_path / "build"]
    output = subprocess.run(configure, check=True, capture_output=True, text=True).stdout
    assert "Generating done" in output
    targets = [f"mlpot_kernels_{name}" for name in ("avx2", "avx512")]
    build = ["cmake", "--build", tmp_path / "build", "--parallel", "2", "--target", *targets]
    done = subprocess.run(build, check=False, capture_output=True, text=True)
    if "No rule to make target" in done.stderr:
        pytest.skip("kernels for several instruction sets exist on x86-64 only")
    assert done.returncode == 0, done.stderr
    objects = sorted((tmp_path / "build").rglob("*kernel.cpp.o"))
    assert len(objects) == 4
    for file in objects:
        isa = "avx512" if "kernels_avx512" in str(file) else "avx2"
        assert [name for name in weak_symbols(file) if f"::{isa}::" not in name] == [], file


def weak_symbols(file):
    """Functions and data that other objects may use in the place of their own."""
    lines = subprocess.run(["nm", "-C", "--defined-only", file], check=True, capture_output=True, text=True).stdout
    symbols = [line.split(maxsplit=2)[1:] for line in lines.splitlines()]
    # each object has a pointer to the personality routine, which is data and the same in all of them
    return [name for kind, name in symbols if kind in "WVu" and not name.startswith("DW.ref.")]
