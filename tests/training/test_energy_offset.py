"""The mean error of the energies of a training set is removed after training; little else changes."""

import copy

import numpy as np
import pytest
import torch
from ase import Atoms
from structures import random_structure

from mlpot.data import LabelledStructure
from mlpot.model import evaluate
from mlpot.model.readout import last_weights
from mlpot.neighbors.matscipy import graph_from_atoms
from mlpot.training.energy_offset import remove_energy_offset
from mlpot.training.samples import SampleSet
from potentials import random_potential

CPU = torch.device("cpu")
SMALL = 1e-5
KINDS = {"one layer": {"n_layers": 1}, "two layers": {"n_layers": 2}}


def predict(potential, atoms):
    return evaluate(potential, graph_from_atoms(atoms, potential.atomic_numbers, potential.cutoff))


@pytest.fixture(params=KINDS)
def trained(request):
    """A potential, and a training set that it meets exactly."""
    potential = random_potential(**KINDS[request.param])
    frames = [random_structure("bulk", 6, seed=seed) for seed in range(8)]
    structures = [LabelledStructure(atoms, float(predict(potential, atoms).energy)) for atoms in frames]
    return potential, SampleSet(structures, potential.atomic_numbers, potential.cutoff)


def shifted(potential, samples, amount):
    """The same potential with its last weights moved along the mean descriptor per atom of the structures."""
    rows = []
    for structure in samples.structures:
        graph = graph_from_atoms(structure.atoms, potential.atomic_numbers, potential.cutoff)
        rows.append(potential.descriptors(graph.species, graph.edge_index, graph.edge_vectors).mean(0))
    direction, other = torch.stack(rows).mean(0), copy.deepcopy(potential)
    parameters = dict(other.named_parameters())
    with torch.no_grad():
        for name, place in last_weights(potential.config).items():
            parameters[name].add_(amount * direction[place].view_as(parameters[name]))
    return other


def test_an_offset_is_found_and_taken_out(trained):
    potential, samples = trained
    other = shifted(potential, samples, SMALL)
    atoms, label = samples.structures[0].atoms, samples.structures[0].energy
    assert abs(float(predict(other, atoms).energy) - label) > 1e-6
    differences = [float(predict(other, one.atoms).energy) - one.energy for one in samples.structures]
    removed = remove_energy_offset(other, samples, 12, CPU)
    assert removed == pytest.approx(-np.mean(differences) / 6, rel=1e-5)  # structures of six atoms
    for structure in samples.structures:
        answer = predict(other, structure.atoms)
        assert float(answer.energy) == pytest.approx(structure.energy, abs=1e-9)
        np.testing.assert_allclose(answer.forces, predict(potential, structure.atoms).forces, atol=1e-9)


def test_errors_of_energies_shrink_and_isolated_atoms_stay(trained):
    potential, samples = trained
    noise = np.random.default_rng(0).normal(2e-5, 1e-5, len(samples))
    noisy = [
        LabelledStructure(s.atoms, s.energy + len(s.atoms) * e) for s, e in zip(samples.structures, noise, strict=True)
    ]
    alone = Atoms("O")
    before = float(predict(potential, alone).energy)
    unlabelled = LabelledStructure(samples.structures[0].atoms, None, np.zeros((6, 3)))
    remove_energy_offset(
        potential, SampleSet([*noisy, unlabelled], potential.atomic_numbers, potential.cutoff), 12, CPU
    )
    errors = [(float(predict(potential, s.atoms).energy) - s.energy) / len(s.atoms) for s in noisy]
    assert np.square(errors).mean() < np.square(noise).mean()
    assert float(predict(potential, alone).energy) == before


def test_a_potential_that_is_far_off_is_left_alone(trained):
    potential, samples = trained
    other = shifted(potential, samples, 5.0)
    before = [float(predict(other, structure.atoms).energy) for structure in samples.structures]
    assert remove_energy_offset(other, samples, 12, CPU) is None
    assert before == [float(predict(other, structure.atoms).energy) for structure in samples.structures]


def test_without_energies_nothing_happens(trained):
    potential, samples = trained
    before = copy.deepcopy(potential.state_dict())
    forces_alone = [LabelledStructure(s.atoms, None, np.zeros((len(s.atoms), 3))) for s in samples.structures]
    remove_energy_offset(potential, SampleSet(forces_alone, potential.atomic_numbers, potential.cutoff), 12, CPU)
    for name, values in potential.state_dict().items():
        assert torch.equal(values, before[name])
