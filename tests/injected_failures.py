"""Builds the library in which allocations and threads fail on request, to be preloaded into a process."""

import shutil
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "plugins" / "native" / "tests" / "inject_failures.cpp"


def build(folder):
    compiler = shutil.which("c++")
    if compiler is None or not Path("/proc").is_dir():
        pytest.skip("needs a C++ compiler, and LD_PRELOAD of Linux")
    library = folder / "inject_failures.so"
    subprocess.run([compiler, "-std=c++17", "-shared", "-fPIC", SOURCE, "-o", library, "-ldl"], check=True)
    return library
