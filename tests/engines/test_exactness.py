"""The native engine gives the numbers of the scripted model: any architecture in the family, any structure."""

import platform

import numpy as np
import pytest
from agreement import assert_exact, deviations
from architectures import architectures
from ase.build import bulk
from ase.data import chemical_symbols
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structures import KINDS, random_structure

import mlpot
from mlpot.engines.native import NativeEngine
from mlpot.engines.torch import TorchEngine
from mlpot.errors import ModelFileError
from mlpot.model_file.torchscript import save_model
from mlpot.simulation import MDSettings, run_md
from potentials import ARCHITECTURES, random_potential

SHARES = ("atomic_virials",)
PER_MODEL = 5
"""Structures for each random model: a model takes much longer to make than to run."""


def assert_random_model_is_exact(folder, fields, seed):
    """In all kinds of structures, a part of them for each seed."""
    path = folder / "model.pt"
    save_model(path, random_potential(**fields))
    scripted, native = TorchEngine(path), NativeEngine(path, "double", threads=1 + seed % 2)
    symbols = [chemical_symbols[z] for z in fields["atomic_numbers"]]
    for k in range(PER_MODEL):
        kind = KINDS[(seed + k) % len(KINDS)]
        atoms = random_structure(kind, 2 + (seed + 3 * k) % 11, symbols, seed + k)
        assert_exact(native.compute(atoms, SHARES), scripted.compute(atoms, SHARES))


any_folder = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@settings(max_examples=20, suppress_health_check=any_folder)
@given(fields=architectures(dearest=12), seed=st.integers(0, 2**31))
def test_random_models_on_random_structures(tmp_path, fields, seed):
    assert_random_model_is_exact(tmp_path, fields, seed)


@pytest.mark.parametrize("lmax", [5, 6])
def test_cubes_of_the_highest_degrees(lmax, tmp_path):
    """Degrees that the random models above leave out."""
    sizes = {"n_channels": 20, "message_channels": 12, "readout_width": 4, "cutoff": 4.0}
    fields = {"n_layers": 2, "lmax": lmax, "correlation": 3, "message_lmax": 2, "atomic_numbers": [6, 14]}
    assert_random_model_is_exact(tmp_path, fields | sizes, seed=lmax)


@pytest.mark.slow
@settings(max_examples=120, suppress_health_check=any_folder)
@given(fields=architectures(dearest=16), seed=st.integers(0, 2**31))
def test_thousands_of_random_structures(tmp_path, fields, seed):
    assert_random_model_is_exact(tmp_path, fields, seed)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_mixed_precision_is_near_for_every_architecture(name, tmp_path):
    save_model(tmp_path / "model.pt", random_potential(**ARCHITECTURES[name]))
    double, mixed = (NativeEngine(tmp_path / "model.pt", precision) for precision in ("double", "mixed"))
    for seed, kind in enumerate(KINDS):
        atoms = random_structure(kind, 8, seed=seed)
        assert max(deviations(mixed.compute(atoms, SHARES), double.compute(atoms, SHARES))) < 1e-4


@pytest.mark.parametrize("isa", ["baseline", "avx2", "avx512"])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0, 300.0, 1e4])
def test_hidden_values_of_any_size(scale, isa, tmp_path, monkeypatch):
    """The exponential in silu is the kernels' own: beyond 88 in float32, and 709 in float64, no number holds it."""
    potential = random_potential(zbl=False, n_layers=1)
    last = potential.layers[-1]
    last.readout_hidden.weight.data *= scale
    last.readout_output.weight.data /= scale
    save_model(tmp_path / "model.pt", potential)
    monkeypatch.setenv("MLPOT_ISA", isa)
    try:
        double, mixed = (NativeEngine(tmp_path / "model.pt", precision) for precision in ("double", "mixed"))
    except ModelFileError as error:
        if "this processor" not in str(error):  # such as its self-test structure, with which the engine is checked
            raise
        pytest.skip(str(error))
    atoms = random_structure("crystal", 8, seed=3)
    expected = TorchEngine(tmp_path / "model.pt").compute(atoms, SHARES)
    assert_exact(double.compute(atoms, SHARES), expected)
    assert max(deviations(mixed.compute(atoms, SHARES), expected)) < 1e-5


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="elsewhere they cost nothing")
def test_subnormal_numbers_are_zero_inside_of_the_kernels_only(tmp_path):
    """Float32 has no normal numbers of 1e-42, float64 has; the caller's arithmetic stays what it was."""
    potential = random_potential(zbl=False)
    last = potential.layers[-1]
    last.readout.data *= 1e-42
    last.readout_output.weight.data *= 1e-42
    save_model(tmp_path / "model.pt", potential)
    atoms = random_structure("crystal", 4, seed=1)
    double, mixed = (NativeEngine(tmp_path / "model.pt", precision) for precision in ("double", "mixed"))
    assert 0.0 < np.abs(double.compute(atoms).forces).max() < 1e-39
    assert np.abs(mixed.compute(atoms).forces).max() == 0.0
    assert (np.full(4, 1e-42, np.float32) * np.float32(1.0) > 0.0).all()


def hot_silicon(seed, size=3):
    atoms = bulk("Si", cubic=True) * (size, size, size)
    atoms.rattle(0.15, seed=seed)  # mean square displacement at 1200 K
    return atoms


def test_mixed_precision_of_the_shipped_potential_on_hot_silicon():
    double, mixed = (mlpot.load("Si-dft/fast", precision=precision) for precision in ("double", "mixed"))
    for seed in range(3):
        atoms = hot_silicon(seed)
        expected = double.get_forces(atoms)
        assert np.abs(expected).max() > 3.0
        assert np.abs(mixed.get_forces(atoms) - expected).max() < 1e-5
        assert abs(mixed.get_potential_energy(atoms) - double.get_potential_energy(atoms)) / len(atoms) < 1e-6
        np.testing.assert_allclose(mixed.get_stress(atoms), double.get_stress(atoms), rtol=0, atol=1e-6)


@pytest.mark.slow
def test_mixed_precision_conserves_energy_like_double(tmp_path):
    """10 ps of hot silicon: rounding may not add to what the time step costs."""
    drift = {}
    for precision in ("double", "mixed"):
        atoms = bulk("Si", cubic=True) * (2, 2, 2)
        atoms.calc = mlpot.load("Si-dft/fast", precision=precision)
        heated = MDSettings("nve", 10_000, temperature=2000.0, timestep=1.0)
        result = run_md(atoms, heated, tmp_path / f"{precision}.traj")
        assert result.temperature > 600.0
        drift[precision] = abs(result.energy_drift)
    assert drift["mixed"] < drift["double"] + 1e-6, drift
