"""The native engine in use: every architecture, batches, threads, instruction sets, values that are not finite.

`test_exactness` compares its results with those of the scripted model for any architecture and structure.
"""

import threading

import numpy as np
import pytest
from agreement import deviations
from ase import Atoms
from ase.build import bulk
from mlpot._native import NeighborList

import mlpot
from mlpot.engines.native import NativeEngine
from mlpot.engines.torch import TorchEngine
from mlpot.errors import ModelFileError
from mlpot.model_file.torchscript import save_model
from potentials import ARCHITECTURES, random_potential

SHARES = ("atomic_virials",)


@pytest.fixture(scope="module", params=ARCHITECTURES, ids=lambda name: name.replace(" ", "-"))
def engines(request, tmp_path_factory):
    """One architecture: torch, native in double and in mixed precision."""
    path = tmp_path_factory.mktemp("native") / "model.pt"
    save_model(path, random_potential(**ARCHITECTURES[request.param]))
    return TorchEngine(path), NativeEngine(path, "double", threads=1), NativeEngine(path, "mixed", threads=1)


def silicon(repeat=1, seed=0):
    atoms = bulk("Si", cubic=True).repeat(repeat)
    atoms.rattle(0.1, seed=seed)
    return atoms


def test_a_batch_is_its_structures(engines):
    structures = [silicon(), Atoms("OH", positions=[[0, 0, 0], [0, 0, 1]]), silicon((2, 1, 1), seed=1), Atoms()]
    for engine in engines[:2]:
        for together, atoms in zip(engine.compute_batch(structures), structures, strict=True):
            alone = engine.compute(atoms)
            np.testing.assert_allclose(together.energy, alone.energy, rtol=1e-12)
            for name in ("atomic_energies", "forces", "virial"):
                got, expected = getattr(together, name), getattr(alone, name)
                size = max(1.0, np.abs(expected).max(initial=0.0))
                np.testing.assert_allclose(got, expected, rtol=0.0, atol=1e-11 * size)
        (single,) = engine.compute_batch(structures[:1])
        np.testing.assert_allclose(single.virial, engine.compute(structures[0]).virial, rtol=0.0, atol=1e-10)


def test_many_atoms_of_several_elements(engines):
    """Centers are computed by species, in another order than that of the atoms."""
    torch_engine, native, _ = engines
    atoms = silicon(2, seed=3)
    atoms.numbers = np.random.default_rng(3).choice([1, 8, 14], len(atoms))
    found = native.compute(atoms, ("descriptors", *SHARES))
    expected = torch_engine.compute(atoms, ("descriptors", *SHARES))
    assert max(deviations(found, expected)) < 1e-11
    np.testing.assert_allclose(found.descriptors, expected.descriptors, rtol=0.0, atol=1e-10)


def test_threads_share_the_atoms(engines):
    _, single, _ = engines
    several = NativeEngine(single.path, "double", threads=3)
    for repeat in (1, 2):  # the buffers exist the second time
        atoms = silicon(repeat, seed=repeat)
        many = several.compute(atoms, SHARES)
        assert max(deviations(many, single.compute(atoms, SHARES))) < 1e-13
    np.testing.assert_array_equal(several.compute(atoms).forces, many.forces)


def test_one_model_serves_many_threads(engines):
    _, engine, _ = engines
    atoms = silicon(2)
    expected = engine.compute(atoms).forces
    results = [None] * 8
    copies = [engine.copy() for _ in results]
    threads = [
        threading.Thread(target=lambda k=k: results.__setitem__(k, copies[k].compute(atoms).forces)) for k in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(forces, expected) for forces in results)


@pytest.mark.parametrize("isa", ["baseline", "avx2", "avx512"])
def test_instruction_sets_agree(engines, isa, monkeypatch):
    _, engine, _ = engines
    monkeypatch.setenv("MLPOT_ISA", isa)
    try:
        other = NativeEngine(engine.path, "double")
    except ModelFileError as error:
        pytest.skip(str(error))
    assert isa in other.name
    atoms = silicon()
    atoms.numbers[:4] = 8
    assert max(deviations(other.compute(atoms, SHARES), engine.compute(atoms, SHARES))) < 1e-12


def test_no_atoms_and_one_atom(engines):
    for engine in engines[:2]:
        assert engine.compute(Atoms("O")).energy == engine.manifest.reference_energies[1]
        assert engine.compute(Atoms()).energy == 0.0


def test_values_that_are_not_finite_are_returned(engines):
    counts, neighbors = np.ones(2, np.int32), np.array([1, 0], np.int32)
    for value in (0.0, np.nan):
        pairs = NeighborList.from_vectors(counts, neighbors, value * np.array([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]]))
        for engine in engines[1:]:
            results = engine.evaluate(np.array([1, 0], np.int32), np.zeros((2, 3)), pairs)
            assert not np.isfinite(results.forces).all()


def test_both_engines_give_the_calculator_the_same(deep_model_file):
    atoms = bulk("Si", cubic=True)
    atoms.rattle(0.1, seed=0)
    native, torch_ = (mlpot.MLPotCalculator(deep_model_file, engine=name) for name in ("native", "torch"))
    np.testing.assert_allclose(native.get_forces(atoms), torch_.get_forces(atoms), rtol=0, atol=1e-11)
    np.testing.assert_allclose(native.get_stress(atoms), torch_.get_stress(atoms), rtol=0, atol=1e-12)
    np.testing.assert_allclose(native.get_stresses(atoms), torch_.get_stresses(atoms), rtol=0, atol=1e-12)
