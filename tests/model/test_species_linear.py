"""Each atom is mapped by the matrix of its own element, and by no other; elements may share matrices."""

import torch
from torch.autograd import gradcheck, gradgradcheck

from mlpot.config import ModelConfig
from mlpot.model import Potential
from mlpot.model.species_linear import initial_embedding, map_by_element, weights_of
from potentials import random_potential

SPECIES = torch.tensor([2, 0, 2, 1, 0])


def test_rows_are_multiplied_by_the_matrix_of_their_element():
    values, weights = torch.randn(5, 3, 4, dtype=torch.float64), torch.randn(3, 4, 6, dtype=torch.float64)
    expected = torch.stack([row @ weights[element] for row, element in zip(values, SPECIES, strict=True)])
    torch.testing.assert_close(map_by_element(values, weights, SPECIES), expected, rtol=0, atol=1e-14)
    torch.testing.assert_close(map_by_element(values, weights[:1], SPECIES), values @ weights[0], rtol=0, atol=0)


def test_matrices_are_mixtures_with_an_embedding():
    values, weights = torch.randn(5, 4, dtype=torch.float64), torch.randn(2, 4, 6, dtype=torch.float64)
    embedding = torch.randn(3, 2, dtype=torch.float64)
    own = torch.einsum("zr,rij->zij", embedding, weights)
    torch.testing.assert_close(weights_of(weights, embedding, SPECIES), own[SPECIES], rtol=0, atol=1e-14)
    found = map_by_element(values, weights, SPECIES, embedding)
    torch.testing.assert_close(found, map_by_element(values, own, SPECIES), rtol=0, atol=1e-14)


def test_first_embeddings_keep_the_variance_of_weights():
    torch.manual_seed(0)
    mixed = weights_of(torch.randn(16, 1000), initial_embedding(89, 16), torch.arange(89))
    assert 0.8 < mixed.var() < 1.25
    assert 0.3 < torch.corrcoef(mixed)[0, 1:].mean() < 0.7  # elements begin similar


def test_both_derivatives():
    values = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(3, 4, 2, dtype=torch.float64, requires_grad=True)
    embedding = torch.randn(3, 3, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda v, w, e: map_by_element(v, w, SPECIES, e), (values, weights, embedding))
    assert gradgradcheck(lambda v, w, e: map_by_element(v, w, SPECIES, e), (values, weights, embedding))


def test_weights_of_each_element_are_the_limit_of_shared_ones():
    """With one number of the embedding, and one set of radial functions, for each element."""
    own = random_potential(n_layers=2, seed=3)
    n_species, n_radial = len(own.atomic_numbers), own.config.n_radial
    shared = random_potential(n_layers=2, species_embedding=n_species, n_radial_functions=n_species * n_radial)
    one = torch.eye(n_species, dtype=torch.float64)
    weights = own.state_dict() | {"layers.0.embedding": one, "layers.1.embedding": one}
    weights["layers.0.density.embedding"] = one
    functions = torch.zeros(n_species, n_radial, n_species, n_radial, dtype=torch.float64)
    for z in range(n_species):
        functions[z, :, z] = torch.eye(n_radial)
    weights["layers.0.density.radial"] = functions.flatten(2)
    weights["layers.0.density.mix"] = weights["layers.0.density.mix"].transpose(1, 2).flatten(2, 3)
    shared.load_state_dict(weights)
    species = torch.tensor([0, 1, 2, 1])
    edges = torch.nonzero(1 - torch.eye(4)).T
    vectors = (
        torch.randn(edges.shape[1], 3, dtype=torch.float64) + 2.0 * torch.eye(3, dtype=torch.float64)[edges[0] % 3]
    )
    torch.testing.assert_close(shared(species, edges, vectors), own(species, edges, vectors), rtol=1e-12, atol=1e-12)


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
