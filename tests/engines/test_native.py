"""The native engine in use: every architecture, batches, threads, instruction sets, what is not finite.

That its numbers are those of the scripted model for any architecture and structure is in `test_exactness`.
"""

import threading

import numpy as np
import pytest
import torch
from agreement import deviations
from ase import Atoms
from ase.build import bulk

import mlpot
from mlpot.engines.native import NativeModel
from mlpot.errors import EngineError, ModelFileError
from mlpot.model.graph import collate
from mlpot.model_file.torchscript import load_model, save_model
from mlpot.neighbors.matscipy import graph_from_atoms
from potentials import ARCHITECTURES, random_potential

NUMBERS = [1, 8, 14]


@pytest.fixture(scope="module", params=ARCHITECTURES, ids=lambda name: name.replace(" ", "-"))
def models(request, tmp_path_factory):
    """One architecture: scripted, native in double and in mixed precision."""
    path = tmp_path_factory.mktemp("native") / "model.pt"
    save_model(path, random_potential(**ARCHITECTURES[request.param]))
    return load_model(path), NativeModel(path, "double", threads=1), NativeModel(path, "mixed", threads=1)


def test_a_batch_is_its_structures(models):
    scripted, double, _ = models
    graphs = [
        graph_from_atoms(bulk("Si", cubic=True).repeat(r), NUMBERS, double.manifest.cutoff) for r in (1, (2, 1, 1))
    ]
    together, expected = double.evaluate(collate(graphs)), scripted.evaluate(collate(graphs))
    torch.testing.assert_close(together.energy, expected.energy, rtol=1e-12, atol=0.0)
    torch.testing.assert_close(together.virial, expected.virial, rtol=0.0, atol=1e-10)
    assert together.atomic_virials is None


def test_threads_share_the_atoms(models):
    _, single, _ = models
    several = NativeModel(single.path, "double", threads=3)
    for repeat in (1, 2):  # the second time the buffers are there already
        atoms = bulk("Si", cubic=True).repeat(repeat)
        atoms.rattle(0.1, seed=repeat)
        graph = graph_from_atoms(atoms, NUMBERS, single.manifest.cutoff)
        one, many = single.evaluate(graph, atomic_virials=True), several.evaluate(graph, atomic_virials=True)
        assert max(deviations(many, one)) < 1e-13
    again = several.evaluate(graph)
    assert torch.equal(again.forces, many.forces)


def test_one_model_serves_many_threads(models):
    _, model, _ = models
    atoms = bulk("Si", cubic=True).repeat(2)
    atoms.rattle(0.1, seed=0)
    graph = graph_from_atoms(atoms, NUMBERS, model.manifest.cutoff)
    expected = model.evaluate(graph).forces
    all_forces = [None] * 8
    threads = [
        threading.Thread(target=lambda k=k: all_forces.__setitem__(k, model.evaluate(graph).forces)) for k in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(forces, expected) for forces in all_forces)


@pytest.mark.parametrize("isa", ["baseline", "avx2", "avx512"])
def test_instruction_sets_agree(models, isa, monkeypatch):
    _, model, _ = models
    monkeypatch.setenv("MLPOT_ISA", isa)
    try:
        other = NativeModel(model.path, "double")
    except ModelFileError as error:
        pytest.skip(str(error))
    assert isa in other.name
    atoms = bulk("Si", cubic=True)
    atoms.numbers[:4] = 8
    atoms.rattle(0.1, seed=0)
    graph = graph_from_atoms(atoms, NUMBERS, model.manifest.cutoff)
    found = deviations(other.evaluate(graph, atomic_virials=True), model.evaluate(graph, atomic_virials=True))
    assert max(found) < 1e-12


def test_no_atoms_and_one_atom(models):
    scripted, double, _ = models
    alone = graph_from_atoms(Atoms("O"), NUMBERS, double.manifest.cutoff)
    assert double.evaluate(alone).energy.item() == scripted.manifest.reference_energies[1]
    assert double.evaluate(graph_from_atoms(Atoms(), NUMBERS, double.manifest.cutoff)).energy.item() == 0.0


def test_what_is_not_finite_shows(models):
    _, double, mixed = models
    graph = graph_from_atoms(Atoms("OH", positions=[[0, 0, 0], [0, 0, 1]]), NUMBERS, double.manifest.cutoff)
    for value in (0.0, np.nan):
        broken = graph._replace(edge_vectors=graph.edge_vectors * value)
        for model in (double, mixed):
            assert not torch.isfinite(model.evaluate(broken).forces).all()


def test_edges_out_of_order_are_refused(models):
    _, model, _ = models
    graph = graph_from_atoms(Atoms("OH", positions=[[0, 0, 0], [0, 0, 1]]), NUMBERS, model.manifest.cutoff)
    with pytest.raises(EngineError, match="non-decreasing"):
        model.evaluate(graph._replace(edge_index=graph.edge_index.flip(1)))


def test_both_engines_give_the_calculator_the_same(deep_model_file):
    atoms = bulk("Si", cubic=True)
    atoms.rattle(0.1, seed=0)
    native, torch_ = (mlpot.MLPotCalculator(deep_model_file, engine=name) for name in ("native", "torch"))
    np.testing.assert_allclose(native.get_forces(atoms), torch_.get_forces(atoms), rtol=0, atol=1e-11)
    np.testing.assert_allclose(native.get_stress(atoms), torch_.get_stress(atoms), rtol=0, atol=1e-12)
    np.testing.assert_allclose(native.get_stresses(atoms), torch_.get_stresses(atoms), rtol=0, atol=1e-12)
