"""Stores with copper to be labelled, and an environment in which workers find the faulty codes."""

from pathlib import Path

import pytest

from mlpot.active.store import Store

TESTS = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _workers_find_the_codes(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(TESTS))


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "run.db", create=True) as one:
        yield one
