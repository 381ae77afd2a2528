"""Each atom is mapped by the matrix of its own element, and by no other."""

import torch
from torch.autograd import gradcheck, gradgradcheck

from mlpot.config import ModelConfig
from mlpot.model import Potential
from mlpot.model.species_linear import map_by_element

SPECIES = torch.tensor([2, 0, 2, 1, 0])


def test_rows_are_multiplied_by_the_matrix_of_their_element():
    values, weights = torch.randn(5, 3, 4, dtype=torch.float64), torch.randn(3, 4, 6, dtype=torch.float64)
    expected = torch.stack([row @ weights[element] for row, element in zip(values, SPECIES, strict=True)])
    torch.testing.assert_close(map_by_element(values, weights, SPECIES), expected, rtol=0, atol=1e-14)
    torch.testing.assert_close(map_by_element(values, weights[:1], SPECIES), values @ weights[0], rtol=0, atol=0)


def test_both_derivatives():
    values = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(3, 4, 2, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda v, w: map_by_element(v, w, SPECIES), (values, weights))
    assert gradgradcheck(lambda v, w: map_by_element(v, w, SPECIES), (values, weights))


def test_weights_of_an_element_decide_nothing_about_atoms_of_another():
    """In a model of one layer; those of several pass on messages."""
    torch.manual_seed(0)
    potential = Potential(ModelConfig(n_channels=8), [1, 8], [0.0, 0.0])
    species = torch.tensor([0, 1, 0, 1])
    centers, neighbors = torch.nonzero(1 - torch.eye(4)).T
    vectors = torch.randn(len(centers), 3, dtype=torch.float64) + 2.0 * torch.eye(3, dtype=torch.float64)[centers % 3]
    before = potential(species, torch.stack([centers, neighbors]), vectors)
    with torch.no_grad():
        potential.layers[0].density.mix[1] *= 1.1
        potential.layers[0].update[1] *= 1.1
    changed = potential(species, torch.stack([centers, neighbors]), vectors) - before
    assert changed[species == 0].abs().max() == 0.0
    assert changed[species == 1].abs().min() > 1e-6
