"""Densities of the training set, up to which the gate of a trained model is open."""

import pytest
import torch
from emt_structures import emt_structures, small_config

from mlpot.model import evaluate
from mlpot.model.density_gate import UNBOUNDED
from mlpot.model_file.torchscript import potential_from_file
from mlpot.neighbors.matscipy import graph_from_atoms
from mlpot.training import train
from mlpot.training.init_from import pretrained_potential
from mlpot.training.max_density import LATER_MARGIN

LAYERS = {"n_layers": 2, "message_channels": 4}


@pytest.fixture(scope="module")
def trained(data_file, tmp_path_factory):
    """Model of two layers that was trained on all of the data for two epochs."""
    folder = tmp_path_factory.mktemp("known") / "run"
    data = {"validation": 0.0}
    return train(small_config(data_file, folder, data=data, model=LAYERS, training={"epochs": 2})).model


def densities(potential, atoms):
    """Mean squares of the mixed densities (layer, atom), and the species of the atoms."""
    graph = graph_from_atoms(atoms, potential.atomic_numbers, potential.cutoff)
    return potential.describe(graph.species, graph.edge_index, graph.edge_vectors).densities, graph.species


def largest_densities(potential):
    """Largest density of each layer and element in the training set."""
    largest = torch.zeros(2, 2, dtype=torch.float64)
    for atoms in emt_structures(30):
        squares, species = densities(potential, atoms)
        for element in range(2):
            own = torch.cat([largest[:, element : element + 1], squares[:, species == element]], 1)
            largest[:, element] = own.amax(1)
    return largest


def test_limits_are_the_largest_densities_of_each_element_and_layer(trained):
    potential = potential_from_file(trained).double()
    stored = torch.stack([layer.max_density for layer in potential.layers])
    expected = torch.tensor([[1.0], [LATER_MARGIN]]) * largest_densities(potential)
    torch.testing.assert_close(stored, expected, rtol=1e-4, atol=0)  # stored in float32


def test_later_layers_are_not_gated_in_hotter_structures(trained):
    """Up to `LATER_MARGIN` times the densities of the training set; the gate of the first layer is disabled."""
    potential, everything = potential_from_file(trained).double(), potential_from_file(trained).double()
    potential.layers[0].max_density.fill_(UNBOUNDED)
    everything.disable_gate()
    largest = largest_densities(potential)[1]
    hot = 0
    for atoms in emt_structures(30):
        atoms.rattle(0.15, seed=1)
        squares, species = densities(potential, atoms)
        excess = (squares[1] / largest[species]).max().item()
        if 1.2 < excess < 0.999 * LATER_MARGIN:
            graph = graph_from_atoms(atoms, potential.atomic_numbers, potential.cutoff)
            torch.testing.assert_close(
                evaluate(potential, graph).forces, evaluate(everything, graph).forces, rtol=0, atol=1e-9
            )
            hot += 1
    assert hot > 0


def test_the_gate_acts_only_beyond_the_training_set(trained):
    potential, everything = potential_from_file(trained).double(), potential_from_file(trained).double()
    everything.disable_gate()
    atoms = emt_structures(30)[0]
    squeezed = atoms.copy()
    squeezed.set_cell(0.6 * atoms.cell, scale_atoms=True)
    differences = []
    for structure in (atoms, squeezed):
        graph = graph_from_atoms(structure, potential.atomic_numbers, potential.cutoff)
        differences.append(abs(evaluate(potential, graph).energy - evaluate(everything, graph).energy).item())
    assert differences[0] < 1e-9
    assert differences[1] > 1e-3


def test_a_pretrained_potential_has_no_gate(trained):
    known = potential_from_file(trained)
    again = pretrained_potential(trained, known.config, known.atomic_numbers)
    for layer in again.layers:
        assert (layer.max_density == UNBOUNDED).all()
