"""Forces, virials and the gradients used in training are exact derivatives: finite differences in float64."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from structures import random_structure, structures

from mlpot.model import evaluate
from mlpot.neighbors.matscipy import graph_from_atoms
from potentials import ARCHITECTURES, random_potential

POTENTIALS = {name: random_potential(**fields) for name, fields in ARCHITECTURES.items()}
STENCIL = ((-2, 1 / 12), (-1, -8 / 12), (1, 8 / 12), (2, -1 / 12))


def energy(potential, atoms):
    return evaluate(potential, graph_from_atoms(atoms, potential.atomic_numbers, potential.cutoff)).energy.item()


def displaced(atoms, atom, direction, step):
    moved = atoms.copy()
    moved.positions[atom] += step * direction
    return moved


def strained(atoms, strain):
    moved = atoms.copy()
    moved.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=False)
    moved.positions = atoms.positions @ (np.eye(3) + strain)
    return moved


@settings(max_examples=40)
@given(name=st.sampled_from(list(POTENTIALS)), atoms=structures(), seed=st.integers(0, 1000))
def test_forces_and_virial_are_derivatives(name, atoms, seed):
    potential, rng = POTENTIALS[name], np.random.default_rng(seed)
    prediction = evaluate(potential, graph_from_atoms(atoms, potential.atomic_numbers, potential.cutoff))
    atom, direction, step = rng.integers(len(atoms)), rng.normal(size=3), 2e-4
    slope = sum(weight * energy(potential, displaced(atoms, atom, direction, k * step)) for k, weight in STENCIL) / step
    scale = 1.0 + prediction.forces.abs().max().item() + prediction.virial.abs().max().item()
    assert slope == pytest.approx(-direction @ prediction.forces[atom].numpy(), abs=1e-6 * scale)
    strain = rng.normal(size=(3, 3)) / 3
    slope = sum(weight * energy(potential, strained(atoms, k * step * strain)) for k, weight in STENCIL) / step
    # strained(x) = x @ (1 + strain): dE/dstrain_ab contracts a with the position, b with the gradient
    assert slope == pytest.approx(-(strain * prediction.virial[0].numpy()).sum(), abs=1e-6 * scale)


@pytest.mark.parametrize("name", POTENTIALS)
def test_gradients_of_a_force_loss_are_derivatives(name):
    """Double backward: what training follows is the slope of the loss in each parameter."""
    potential = POTENTIALS[name]
    graph = graph_from_atoms(random_structure("triclinic", 5, seed=4), potential.atomic_numbers, potential.cutoff)
    target = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def loss():
        prediction = evaluate(potential, graph, training=True)
        return (prediction.forces - target).square().mean() + 0.01 * prediction.virial.square().sum()

    parameters = [p for p in potential.parameters() if p.numel() > 0]
    gradients = torch.autograd.grad(loss(), parameters, allow_unused=True, materialize_grads=True)
    generator = torch.Generator().manual_seed(1)
    directions = [torch.randn(p.shape, dtype=torch.float64, generator=generator) for p in parameters]
    step, slope = 1e-5, 0.0
    for k, weight in STENCIL:
        for parameter, direction in zip(parameters, directions, strict=True):
            parameter.data += k * step * direction
        slope += weight * loss().item() / step
        for parameter, direction in zip(parameters, directions, strict=True):
            parameter.data -= k * step * direction
    expected = sum((g * d).sum().item() for g, d in zip(gradients, directions, strict=True))
    assert slope == pytest.approx(expected, rel=1e-6)


def test_nothing_is_left_in_the_autograd_graph():
    potential = random_potential()
    graph = graph_from_atoms(random_structure("slab", 4), potential.atomic_numbers, potential.cutoff)
    prediction = evaluate(potential, graph)
    assert not any(part.requires_grad for part in prediction if part is not None)
    assert all(parameter.grad is None for parameter in potential.parameters())
