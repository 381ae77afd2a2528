"""Numbers that stand in C++ and in Python, because each must run without the other, are the same."""

from typing import get_args

import pytest
from ase import Atoms

from mlpot import _native
from mlpot.config import ModelConfig
from mlpot.engines.native import NativeEngine
from mlpot.engines.torch import TorchEngine
from mlpot.model_file.manifest import FORMAT_VERSION
from mlpot.model_file.torchscript import ALLOWED_DEVIATION, save_model
from potentials import random_potential


def limits_of(field):
    """Smallest and largest value that a field of the configuration accepts."""
    values = [value for value in get_args(field.annotation) if isinstance(value, int)]
    if values:
        return min(values), max(values)
    bounds = {name: getattr(entry, name) for entry in field.metadata for name in ("ge", "le") if hasattr(entry, name)}
    return bounds["ge"], bounds["le"]


def test_file_format():
    assert _native.FORMAT_VERSION == FORMAT_VERSION
    assert _native.ALLOWED_DEVIATION == ALLOWED_DEVIATION


def test_limits_of_the_architecture():
    fields = ModelConfig.model_fields
    # the engine takes any positive cutoff, and `zbl` is a switch
    assert set(_native.ARCHITECTURE_LIMITS) == set(fields) - {"cutoff", "zbl"}
    for name, limits in _native.ARCHITECTURE_LIMITS.items():
        assert limits == limits_of(fields[name]), name


@pytest.mark.parametrize("distance", [0.02, 0.2, 0.6, 1.2])
def test_repulsion_of_nuclei(tmp_path, distance):
    """The last digit of each constant of the ZBL potential changes the energy by more than this tolerance."""
    potential = random_potential()
    path = tmp_path / "model.pt"
    save_model(path, potential)
    atoms = Atoms("SiO", [[0, 0, 0], [0, 0, distance]])
    energy = NativeEngine(path, "double").compute(atoms).energy
    assert energy == pytest.approx(TorchEngine(path, precision="double").compute(atoms).energy, rel=1e-11)
