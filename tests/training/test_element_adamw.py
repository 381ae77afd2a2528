"""AdamW by element: that of torch where all elements are present, and rest where they are not."""

import pytest
import torch
from torch import nn

from mlpot.config import OptimizationConfig
from mlpot.training.element_adamw import ElementAdamW


def weights():
    generator = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(shape, generator=generator, dtype=torch.float64)) for shape in ((3, 4), (2, 3, 5))]


def steps(optimizer, parameters, gradients):
    for step in gradients:
        for parameter, gradient in zip(parameters, step, strict=True):
            parameter.grad = gradient.clone()
        optimizer.step()


def random_gradients(n):
    generator = torch.Generator().manual_seed(1)
    shapes = [parameter.shape for parameter in weights()]
    return [[torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes] for _ in range(n)]


@pytest.mark.parametrize("amsgrad", [True, False])
def test_it_is_that_of_torch_where_all_elements_are_present(amsgrad):
    settings = OptimizationConfig(weight_decay=0.1, amsgrad=amsgrad)
    found, expected = weights(), weights()
    steps(ElementAdamW(found, [0, 1], settings), found, random_gradients(5))
    torch_adamw = torch.optim.AdamW(
        expected, lr=settings.lr, betas=settings.betas, weight_decay=settings.weight_decay, amsgrad=amsgrad
    )
    steps(torch_adamw, expected, random_gradients(5))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one.detach(), other.detach(), rtol=1e-9, atol=1e-9)


def test_an_absent_element_rests_and_its_steps_are_those_without_the_absence():
    settings = OptimizationConfig()
    often, rarely = weights(), weights()
    gradients = random_gradients(4)
    steps(ElementAdamW(often, [0, 1], settings), often, gradients[::2])
    for step in gradients[1::2]:  # the second element is absent
        step[0][1] = 0.0
        step[1][:, 1] = 0.0
    optimizer = ElementAdamW(rarely, [0, 1], settings)
    steps(optimizer, rarely, gradients[:1])
    before = rarely[0].detach().clone()
    steps(optimizer, rarely, gradients[1:2])
    assert torch.equal(rarely[0][1], before[1])
    assert not torch.equal(rarely[0][0], before[0])
    steps(optimizer, rarely, gradients[2:])
    torch.testing.assert_close(rarely[0][1].detach(), often[0][1].detach(), rtol=0, atol=0)
    torch.testing.assert_close(rarely[1][:, 1].detach(), often[1][:, 1].detach(), rtol=0, atol=0)
