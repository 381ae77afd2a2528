"""Native kernels and torch give equal gradients, for every architecture and structure."""

from pathlib import Path

import pytest
import torch
from ase import Atoms
from ase.build import bulk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structures import structures
from torch.nn.utils import parameters_to_vector

from mlpot.errors import EngineError
from mlpot.model import evaluate
from mlpot.model.graph import Graph, collate
from mlpot.neighbors.matscipy import graph_from_atoms
from mlpot.training.native import NativeDerivatives, choose_derivatives
from potentials import ARCHITECTURES, random_potential

REUSE = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module", params=ARCHITECTURES, ids=lambda name: name.replace(" ", "-"))
def engines(request):
    """A potential, and the kernels for it on one thread and on three."""
    potential = random_potential(**ARCHITECTURES[request.param], max_density=1e30)
    return potential, NativeDerivatives(potential, 1), NativeDerivatives(potential, 3)


def loss_and_gradient(derivatives, potential, graph, seed):
    """A loss in which energies, forces and virials all count, and its gradient by parameter.

    A sum of squares: no terms cancel, so its relative error is that of the terms.
    """
    generator = torch.Generator().manual_seed(seed)
    prediction = derivatives(potential, graph, training=True)
    loss = torch.zeros((), dtype=torch.float64)
    for values in (prediction.energy / len(graph.species), prediction.forces, prediction.virial):
        weights = torch.randn(values.shape, generator=generator, dtype=torch.float64)
        loss = loss + (weights * values + 1.0).square().sum()
    parameters = [parameter for parameter in potential.parameters() if parameter.numel()]
    gradient = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
    return loss.detach(), gradient


def deviation(got, expected, smallest=0.0):
    """Of values or gradients, relative to the largest, or to `smallest` where all are smaller."""
    size = max(smallest, *(float(value.abs().max()) for value in expected))
    return max(float((a - b).abs().max()) / size for a, b in zip(got, expected, strict=True)) if size else 0.0


@given(atoms=st.lists(structures(max_atoms=7), min_size=1, max_size=3), seed=st.integers(0, 999))
@REUSE
def test_gradients_are_those_of_torch(engines, atoms, seed):
    potential, single, several = engines
    graph = collate([graph_from_atoms(a, potential.atomic_numbers, potential.cutoff) for a in atoms])
    loss, expected = loss_and_gradient(evaluate, potential, graph, seed)
    for native in (single, several):
        found, gradient = loss_and_gradient(native, potential, graph, seed)
        assert deviation([found], [loss]) < 1e-12
        # Just inside the cutoff the envelope is a difference of numbers of order one, and its error 1e-15.
        assert deviation(gradient, expected, smallest=1e-4) < 1e-10


def test_threads_do_not_grow_with_the_elements_of_batches():
    """Kernels for different numbers of elements share theirs."""
    tasks = Path("/proc/self/task")
    if not tasks.is_dir():
        pytest.skip("needs /proc")
    potential = random_potential()
    before = len(list(tasks.iterdir()))
    native = NativeDerivatives(potential, 3)
    for symbols in (["Si"], ["Si", "O"], ["Si", "O", "H"]):
        atoms = Atoms(symbols, [[1.3 * k, 0.0, 0.0] for k in range(len(symbols))])
        native(potential, graph_from_atoms(atoms, potential.atomic_numbers, potential.cutoff))
    assert len(list(tasks.iterdir())) <= before + 2


def test_every_parameter_has_its_gradient(engines):
    """Parameter by parameter, so that small ones do not hide behind large ones."""
    potential, native, _ = engines
    generator = torch.Generator().manual_seed(1)
    n = 24
    center, neighbor = torch.meshgrid(torch.arange(n), torch.arange(n), indexing="ij")
    pairs = torch.stack([center.flatten(), neighbor.flatten()])[:, (center != neighbor).flatten()]
    positions = 3.0 * torch.rand(n, 3, generator=generator, dtype=torch.float64)
    vectors = positions[pairs[1]] - positions[pairs[0]]
    inside = vectors.norm(dim=1) < potential.cutoff
    everything = torch.zeros(n, dtype=torch.int64)
    graph = Graph(torch.arange(n) % 3, pairs[:, inside], vectors[inside], everything, 1)
    _, expected = loss_and_gradient(evaluate, potential, graph, 0)
    _, gradient = loss_and_gradient(native, potential, graph, 0)
    for got, wanted in zip(gradient, expected, strict=True):
        assert wanted.abs().max() > 0.0
        assert deviation([got], [wanted]) < 1e-10


def test_single_precision_is_near():
    rounded = random_potential(n_layers=2, max_density=1e30).float()
    exact = random_potential(n_layers=2, max_density=1e30)
    exact.load_state_dict({name: value.double() for name, value in rounded.state_dict().items()})
    graph = collate([graph_from_atoms(silicon(k), exact.atomic_numbers, exact.cutoff) for k in range(2)])
    loss, expected = loss_and_gradient(evaluate, exact, graph, 0)
    found, gradient = loss_and_gradient(NativeDerivatives(rounded, 1), rounded, graph, 0)
    assert all(part.dtype == torch.float32 for part in gradient)
    assert deviation([found], [loss]) < 1e-4
    assert deviation([part.double() for part in gradient], expected) < 1e-4


def silicon(seed):
    atoms = bulk("Si", cubic=True)
    atoms.rattle(0.1, seed=seed)
    return atoms


def test_training_takes_the_same_course_on_both_engines(make_trainer):
    weights = {}
    for engine in ("native", "torch"):
        trainer = make_trainer(training={"engine": engine, "precision": "float64", "lr": 0.01})
        assert trainer.engine == engine
        for indices in [*trainer.batches(), *trainer.batches()]:
            trainer.step(indices, stop=False)
        weights[engine] = parameters_to_vector(trainer.potential.parameters()).detach()
    start = parameters_to_vector(make_trainer().potential.parameters()).detach()
    moved = (weights["torch"] - start).norm()
    assert moved > 0.1
    assert (weights["native"] - weights["torch"]).norm() < 1e-8 * moved


def test_the_native_kernels_are_the_default_on_the_cpu():
    potential = random_potential()
    assert choose_derivatives(potential, "auto")[1] == "native"
    assert choose_derivatives(potential, "torch") == (evaluate, "torch")


def test_a_potential_that_is_elsewhere_is_refused():
    with pytest.raises(EngineError, match="cpu, got device meta"):
        NativeDerivatives(random_potential().to("meta"), 1)


def test_what_does_not_fit_is_refused():
    potential, other = random_potential(), random_potential(n_channels=7)
    native = NativeDerivatives(potential, 1)
    graph = graph_from_atoms(silicon(0), potential.atomic_numbers, potential.cutoff)
    with pytest.raises(ValueError, match="array 0 has a wrong size or type"):
        native(other, graph)
