"""Symmetry, smoothness, extensivity and the stages of potentials of every architecture."""

import math

import numpy as np
import pytest
import torch
from ase import Atoms
from hypothesis import given, settings
from hypothesis import strategies as st
from structures import random_rotation, structures

from mlpot.config import ModelConfig
from mlpot.errors import ConfigError
from mlpot.model import Potential, evaluate
from mlpot.model.density_gate import density_gate
from mlpot.model.graph import collate
from mlpot.neighbors.matscipy import graph_from_atoms
from potentials import ARCHITECTURES, random_potential

POTENTIALS = {name: random_potential(**fields) for name, fields in ARCHITECTURES.items()}


@pytest.fixture(params=POTENTIALS)
def potential(request):
    return POTENTIALS[request.param]


def predict(potential, atoms):
    return evaluate(potential, graph_from_atoms(atoms, potential.atomic_numbers, potential.cutoff), atomic_virials=True)


def assert_close(got, expected, scale, tolerance=1e-11):
    torch.testing.assert_close(got, expected, atol=tolerance * scale, rtol=0)


def size_of(prediction):
    """Largest number that enters the sums: the scale of rounding errors."""
    return 1.0 + max(part.abs().max().item() for part in prediction if part is not None)


@settings(max_examples=40)
@given(name=st.sampled_from(list(POTENTIALS)), atoms=structures(), seed=st.integers(0, 1000))
def test_rotation_inversion_translation_permutation(name, atoms, seed):
    potential, rng = POTENTIALS[name], np.random.default_rng(seed)
    reference = predict(potential, atoms)
    rotation, order = random_rotation(rng), rng.permutation(len(atoms))
    moved = atoms[order]
    moved.set_cell(atoms.cell.array @ rotation.T)
    moved.positions = atoms.positions[order] @ rotation.T + rng.normal(size=3)
    result, turn, scale = predict(potential, moved), torch.from_numpy(rotation), size_of(reference)
    assert_close(result.energy, reference.energy, scale)
    assert_close(result.atomic_energies, reference.atomic_energies[order], scale)
    assert_close(result.forces, reference.forces[order] @ turn.T, scale)
    assert_close(result.virial, turn @ reference.virial @ turn.T, scale)
    assert_close(result.atomic_virials, turn @ reference.atomic_virials[order] @ turn.T, scale)


@settings(max_examples=20)
@given(name=st.sampled_from(list(POTENTIALS)), atoms=structures(kinds=("triclinic", "tiny cell", "one atom, periodic")))
def test_supercell_is_extensive(name, atoms):
    potential = POTENTIALS[name]
    once, twice = predict(potential, atoms), predict(potential, atoms.repeat((2, 1, 1)))
    assert_close(twice.energy, 2 * once.energy, size_of(twice))
    assert_close(twice.forces, once.forces.repeat(2, 1), size_of(twice))
    assert_close(twice.virial, 2 * once.virial, size_of(twice))


@settings(max_examples=20)
@given(name=st.sampled_from(list(POTENTIALS)), atoms=structures(), other=structures())
def test_batch_equals_single_structures(name, atoms, other):
    potential = POTENTIALS[name]
    graphs = [graph_from_atoms(a, potential.atomic_numbers, potential.cutoff) for a in (atoms, other)]
    batch = evaluate(potential, collate(graphs))
    single = [evaluate(potential, graph) for graph in graphs]
    scale = size_of(batch)
    assert_close(batch.energy, torch.cat([s.energy for s in single]), scale)
    assert_close(batch.forces, torch.cat([s.forces for s in single]), scale)
    assert_close(batch.virial, torch.cat([s.virial for s in single]), scale)


def test_sums_vanish(potential):
    rng = np.random.default_rng(3)
    atoms = Atoms("Si4O4H2", positions=rng.uniform(0, 5, (10, 3)))
    prediction = predict(potential, atoms)
    torque = np.cross(atoms.positions, prediction.forces.numpy()).sum(axis=0)
    assert np.abs(prediction.forces.numpy().sum(axis=0)).max() < 1e-11 * size_of(prediction)
    assert np.abs(torque).max() < 1e-10 * size_of(prediction)
    assert_close(prediction.atomic_virials.sum(0), prediction.virial[0], size_of(prediction))


def test_separated_atoms_have_exactly_their_reference_energies(potential):
    atoms = Atoms("HOSi", positions=[[0, 0, 0], [50, 0, 0], [0, 50, 0]])
    prediction = predict(potential, atoms)
    assert prediction.atomic_energies.tolist() == [-10.0, -20.0, -30.0]
    assert prediction.forces.abs().max() == 0.0


def test_no_atoms(potential):
    prediction = predict(potential, Atoms())
    assert prediction.energy.tolist() == [0.0]
    assert prediction.forces.shape == (0, 3)


def test_separated_fragments_add(potential):
    water = Atoms("OH2", positions=[[0, 0, 0], [0.95, 0, 0], [-0.2, 0.93, 0]])
    far = water.copy()
    far.translate([40, 3, 1])
    total = predict(potential, water + far).energy
    torch.testing.assert_close(total, 2 * predict(potential, water).energy, atol=1e-11, rtol=0)


def test_third_atom_enters_the_cutoff_smoothly(potential):
    """Energy, force and curvature have no jump: their one-sided limits at the cutoff agree."""
    reach = potential.cutoff

    def energy(x):
        atoms = Atoms("SiOH", positions=[[0, 0, 0], [0, 1.5, 0.3], [x, 0, 0]])
        return predict(potential, atoms).energy.item()

    h = 1e-3
    inside = np.array([energy(reach - k * h) for k in range(5)])
    outside = np.array([energy(reach + k * h) for k in range(5)])
    assert inside[0] == pytest.approx(outside[0], abs=1e-12)
    slope = (inside[1] - inside[0] - (outside[0] - outside[1])) / h
    curvature = (inside[0] - 2 * inside[1] + inside[2] - outside[0] + 2 * outside[1] - outside[2]) / h**2
    assert abs(slope) < 1e-4
    # The third derivative does jump, so a one-sided curvature one step inside is of order h times that jump.
    assert abs(curvature) < 2e-2


@settings(max_examples=15)
@given(name=st.sampled_from(list(POTENTIALS)), atoms=structures())
def test_stages_equal_forward(name, atoms):
    potential = POTENTIALS[name]
    graph = graph_from_atoms(atoms, potential.atomic_numbers, potential.cutoff)
    expected = potential(graph.species, graph.edge_index, graph.edge_vectors)
    n_atoms = len(atoms)
    features, messages = torch.zeros(n_atoms, 0), torch.zeros(n_atoms, 0)
    energies = torch.zeros(n_atoms, dtype=torch.float64)
    for layer in range(potential.n_layers):
        part, features, messages = potential.forward_layer(
            layer, n_atoms, graph.species, graph.edge_index, graph.edge_vectors, features, messages
        )
        energies = energies + part
        assert features.shape == (n_atoms, potential.feature_width)
        assert messages.shape == (n_atoms, 0 if layer == potential.n_layers - 1 else potential.message_width)
    assert_close(energies, expected, 1.0 + expected.abs().max().item(), 1e-13)


@pytest.mark.parametrize("fields", [{"n_layers": 2}, {"n_layers": 3, "message_lmax": 2}])
def test_the_gate_switches_off_later_layers_beyond_the_training_set(fields):
    atoms = Atoms("Si8O8", positions=np.random.default_rng(5).uniform(0, 3.0, (16, 3)))
    gated = predict(random_potential(**fields, max_density=1e-9), atoms)
    alone = random_potential(**fields, max_density=1e-9)
    for layer in alone.layers[1:]:
        layer.contraction.couplings[0].weights.data.mul_(7.0)
        layer.density.radial.data.mul_(-3.0)
    expected = predict(alone, atoms)
    assert (gated.energy.item(), gated.forces.tolist()) == (expected.energy.item(), expected.forces.tolist())
    open_gate = predict(random_potential(**fields, max_density=1e30), atoms)
    assert abs(open_gate.energy - gated.energy) > 1.0


def test_the_gate_falls_from_one_to_zero():
    largest = torch.tensor([0.4], dtype=torch.float64)
    squares = [0.0, 0.39, 0.4 + 1e-4, 0.8, 1.6 - 1e-4, 1.61, 1e300, math.inf, math.nan]
    gates = [density_gate(torch.tensor([q], dtype=torch.float64), largest).item() for q in squares]
    assert gates[:2] == [1.0, 1.0]
    assert gates[2] == pytest.approx(1.0, abs=1e-12)
    assert gates[3:5] == [pytest.approx(0.5), pytest.approx(0.0, abs=1e-12)]
    assert gates[5:8] == [0.0, 0.0, 0.0]
    assert math.isnan(gates[8])


@pytest.mark.parametrize(("size", "typical"), [(12.0, 0.5), (3.0, 0.8), (1.5, 0.0)])
def test_messages_fade_where_atoms_are_squeezed(size, typical):
    atoms = Atoms("Si8O8", positions=np.random.default_rng(5).uniform(0, size, (16, 3)))
    potential = random_potential(n_layers=2, zbl=False, max_density=1e30)
    graph = graph_from_atoms(atoms, potential.atomic_numbers, potential.cutoff)
    nothing = torch.zeros(len(atoms), 0)
    messages = potential.forward_layer(
        0, len(atoms), graph.species, graph.edge_index, graph.edge_vectors, nothing, nothing
    )[2]
    scalars, vectors = messages.view(len(atoms), 4, -1).split([1, 3], 1)
    longest = 3.0 * 7.0 / 8.0 * (1.0 / 7.0) ** 0.125
    for part in (scalars, vectors):
        assert part.square().sum(1).sqrt().max() <= longest
    assert scalars.abs().median().item() == pytest.approx(typical, abs=0.15)


def test_float32_agrees_with_float64():
    atoms = Atoms("Si4O4H2", positions=np.random.default_rng(3).uniform(0, 6, (10, 3)))
    double = random_potential(n_layers=2)
    single = random_potential(n_layers=2).float()
    expected, got = predict(double, atoms), predict(single, atoms)
    assert got.forces.dtype == torch.float64
    assert_close(got.forces, expected.forces, size_of(expected), 1e-5)
    assert (got.forces - expected.forces).abs().max() > 0.0


def test_reference_energies_keep_float64_in_a_float32_model():
    potential = random_potential().float()
    potential.reference_energies[:] = torch.tensor([-123456.789012345, 0.0, 0.0], dtype=torch.float64)
    assert predict(potential, Atoms("H")).energy.item() == -123456.789012345


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([14, 14], [0.0, 0.0]), "each element once"),
        (([], []), "each element once"),
        (([0], [0.0]), "between 1 and 118"),
        (([14], [0.0, 0.0]), "one value for each of 1 elements, got 2"),
        (([14], [float("nan")]), "must be finite"),
        (([14], [0.0], 0.0), "`energy_scale` must be positive"),
        (([14], [0.0], 1.0, -1.0), "`average_neighbors` must be positive"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        Potential(ModelConfig(), *arguments)
