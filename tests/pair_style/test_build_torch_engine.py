"""The torch engine is compiled into the cache; errors of the compiler are reported."""

import pytest

from mlpot.errors import EngineError
from mlpot.lammps import build_torch_engine


def test_a_missing_compiler_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(EngineError, match="no-such-compiler, was not found"):
        build_torch_engine.build()
    assert not build_torch_engine.engine_path().exists()


def test_errors_of_the_compiler_are_quoted(monkeypatch, tmp_path):
    compiler = tmp_path / "broken compiler"
    compiler.write_text("#!/bin/sh\necho 'fatal error: nothing works' >&2\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("CXX", str(compiler))
    with pytest.raises(EngineError, match="nothing works"):
        build_torch_engine.build()
    assert build_torch_engine.find() is None
