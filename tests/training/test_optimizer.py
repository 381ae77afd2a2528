import pytest
import torch
from torch import nn

from mlpot.config import OptimizationConfig
from mlpot.training.optimizer import STEP_SIZE, Muon, linear_maps, make_optimizers, orthogonalized
from potentials import random_potential


@pytest.mark.parametrize("shape", [(3, 12, 64), (2, 64, 12), (1, 16, 16)])
def test_singular_values_become_nearly_one_and_directions_stay(shape):
    generator = torch.Generator().manual_seed(0)
    matrices = torch.randn(shape, generator=generator, dtype=torch.float64)
    left, values, right = torch.linalg.svd(matrices, full_matrices=False)
    found = left.transpose(1, 2) @ orthogonalized([matrices])[0] @ right.transpose(1, 2)
    diagonal = torch.diagonal(found, dim1=1, dim2=2)
    assert values.max() / values.min() > 1.5
    assert diagonal.min() > 0.6
    assert diagonal.max() < 1.3
    assert (found - torch.diag_embed(diagonal)).abs().max() < 1e-12


def test_the_size_of_the_gradient_does_not_matter():
    matrix = torch.randn(1, 8, 10, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    torch.testing.assert_close(orthogonalized([1e-200 * matrix])[0], orthogonalized([matrix])[0], rtol=1e-12, atol=0.0)
    assert not orthogonalized([torch.zeros(1, 8, 10)])[0].any()


def test_several_matrices_of_several_parameters_are_moved_each_on_its_own():
    generator = torch.Generator().manual_seed(2)
    stacked = nn.Parameter(torch.zeros(2, 8, 10, dtype=torch.float64))
    alone = nn.Parameter(torch.zeros(8, 10, dtype=torch.float64))
    stacked.grad = torch.randn(2, 8, 10, generator=generator, dtype=torch.float64)
    alone.grad = stacked.grad[1].clone()
    Muon([stacked, alone], [], lr=0.5, momentum=0.9, weight_decay=0.0).step()
    expected = -0.5 * STEP_SIZE * 10**0.5 * orthogonalized([stacked.grad])[0]
    torch.testing.assert_close(stacked.detach(), expected, rtol=1e-12, atol=0.0)
    torch.testing.assert_close(alone.detach(), expected[1], rtol=1e-12, atol=0.0)
    assert stacked.detach().square().mean().sqrt().item() == pytest.approx(0.5 * STEP_SIZE, rel=0.2)


def test_matrices_without_a_gradient_rest():
    generator = torch.Generator().manual_seed(4)
    weights = nn.Parameter(torch.randn(3, 4, 5, generator=generator))
    optimizer = Muon([weights], [], lr=0.1, momentum=0.9, weight_decay=0.1)
    weights.grad = torch.randn(weights.shape, generator=generator)
    optimizer.step()
    before = weights.detach().clone()
    weights.grad[1] = 0.0
    optimizer.step()
    moved = (weights.detach() - before).abs().amax((1, 2))
    assert moved[1] == 0.0
    assert moved[[0, 2]].min() > 0.0


def test_matrices_of_all_mixtures_are_one_map():
    generator = torch.Generator().manual_seed(5)
    shared = nn.Parameter(torch.zeros(3, 2, 4, 5, dtype=torch.float64))
    shared.grad = torch.randn(shared.shape, generator=generator, dtype=torch.float64)
    Muon([], [shared], lr=1.0, momentum=0.0, weight_decay=0.0).step()
    for degree in range(2):
        joined = shared.grad[:, degree].reshape(1, 12, 5)
        expected = -STEP_SIZE * 12**0.5 * orthogonalized([joined])[0].view(3, 4, 5)
        torch.testing.assert_close(shared.detach()[:, degree], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("embedding", [None, 2])
def test_every_weight_has_one_optimizer(embedding):
    potential = random_potential(n_layers=2, species_embedding=embedding)
    optimizers = make_optimizers(potential, OptimizationConfig())
    moved = [id(p) for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]]
    assert sorted(moved) == sorted(id(p) for p in potential.parameters() if p.numel())
    assert all(weights.dim() >= 2 for weights in linear_maps(potential))


def test_it_finds_the_minimum_of_a_least_squares_problem():
    generator = torch.Generator().manual_seed(3)
    inputs, wanted = (torch.randn(30, 8, generator=generator, dtype=torch.float64) for _ in range(2))
    weights = nn.Parameter(torch.zeros(8, 8, dtype=torch.float64))
    optimizer = Muon([weights], [], lr=1.0, momentum=0.95, weight_decay=0.0)
    best = (inputs @ torch.linalg.lstsq(inputs, wanted).solution - wanted).square().sum()
    for step in range(300):
        optimizer.param_groups[0]["lr"] = 0.5 * (1.0 - step / 300) ** 2
        weights.grad = None
        loss = (inputs @ weights - wanted).square().sum()
        loss.backward()
        optimizer.step()
    assert loss.item() == pytest.approx(best.item(), rel=1e-4)
