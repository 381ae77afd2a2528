"""The native engine gives the numbers of the scripted model: architectures, structures, batches, threads."""

import threading

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structures import structures

import mlpot
from mlpot.engine import NativeModel
from mlpot.errors import EngineError, ModelFileError
from mlpot.export import load_model, save_model
from mlpot.graph import collate
from mlpot.neighbors import graph_from_atoms
from potentials import ARCHITECTURES, random_potential

NUMBERS = [1, 8, 14]


@pytest.fixture(scope="module", params=ARCHITECTURES, ids=lambda name: name.replace(" ", "-"))
def models(request, tmp_path_factory):
    """One architecture: scripted, native in double and in mixed precision."""
    path = tmp_path_factory.mktemp("native") / "model.pt"
    save_model(path, random_potential(**ARCHITECTURES[request.param]))
    return load_model(path), NativeModel(path, "double", threads=1), NativeModel(path, "mixed", threads=1)


def deviations(got, expected):
    """Of energies, forces and virials, relative to the largest force for the last two."""
    size = max(1.0, expected.forces.abs().max().item())
    return (
        ((got.energy - expected.energy).abs() / expected.energy.abs()).max().item(),
        (got.atomic_energies - expected.atomic_energies).abs().max().item()
        / expected.atomic_energies.abs().max().item(),
        (got.forces - expected.forces).abs().max().item() / size,
        (got.virial - expected.virial).abs().max().item() / size,
        (got.atomic_virials - expected.atomic_virials).abs().max().item() / size,
    )


@given(atoms=structures())
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_equals_the_scripted_model(models, atoms):
    scripted, double, mixed = models
    graph = graph_from_atoms(atoms, NUMBERS, scripted.manifest.cutoff)
    expected = scripted.evaluate(graph, atomic_virials=True)
    energy, atomic, forces, virial, shares = deviations(double.evaluate(graph, atomic_virials=True), expected)
    assert max(energy, atomic) < 1e-12
    assert max(forces, virial, shares) < 1e-10
    assert max(deviations(mixed.evaluate(graph, atomic_virials=True), expected)) < 1e-4


@pytest.mark.slow
@given(
    atoms=structures(max_atoms=16),
    layers=st.integers(1, 3),
    lmax=st.integers(0, 4),
    correlation=st.integers(1, 3),
    channels=st.integers(1, 40),
    radial=st.integers(1, 12),
    message_lmax=st.integers(0, 1),
    zbl=st.booleans(),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_equals_the_scripted_model_for_any_size(
    tmp_path_factory, atoms, layers, lmax, correlation, channels, radial, message_lmax, zbl
):
    path = tmp_path_factory.mktemp("native") / "model.pt"
    potential = random_potential(
        n_layers=layers, lmax=lmax, correlation=correlation, n_channels=channels, n_radial=radial,
        message_lmax=message_lmax, zbl=zbl, vector_correlation=1 + channels % 4, message_channels=1 + channels // 2,
    )  # fmt: skip
    save_model(path, potential)
    graph = graph_from_atoms(atoms, NUMBERS, potential.cutoff)
    expected = load_model(path).evaluate(graph, atomic_virials=True)
    found = deviations(NativeModel(path, "double").evaluate(graph, atomic_virials=True), expected)
    assert max(found[:2]) < 1e-12
    assert max(found[2:]) < 1e-10


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
    answers = [None] * 8
    threads = [
        threading.Thread(target=lambda k=k: answers.__setitem__(k, model.evaluate(graph).forces)) for k in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(forces, expected) for forces in answers)


@pytest.mark.parametrize("instructions", ["baseline", "avx2", "avx512"])
def test_instruction_sets_agree(models, instructions, monkeypatch):
    _, model, _ = models
    monkeypatch.setenv("MLPOT_INSTRUCTIONS", instructions)
    try:
        other = NativeModel(model.path, "double")
    except ModelFileError as error:
        pytest.skip(str(error))
    assert instructions in other.name
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
