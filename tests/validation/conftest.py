"""The potential that ships with mlpot."""

import pytest

import mlpot


@pytest.fixture(scope="session")
def silicon():
    """The potential that ships with mlpot, in float64."""
    return mlpot.load("Si-dft/fast", precision="double")
