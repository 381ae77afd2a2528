import pytest
import torch

from mlpot.training.averaging import MovingAverage
from mlpot.training.flat import FlatParameters


def test_average_is_the_recursive_mean():
    module = torch.nn.Linear(2, 1, bias=False).double()
    average = MovingAverage(module, FlatParameters(module), decay=0.5)
    expected = module.weight.detach().clone()
    for step in range(1, 30):
        with torch.no_grad():
            module.weight.fill_(float(step**2))
        average.update(step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step**2
        torch.testing.assert_close(average.module.weight.detach(), expected, rtol=1e-13, atol=0)


def test_average_is_a_copy_that_needs_no_gradient():
    module = torch.nn.Linear(2, 1)
    average = MovingAverage(module, FlatParameters(module), decay=0.9)
    assert average.module is not module
    assert not any(parameter.requires_grad for parameter in average.module.parameters())
    assert all(parameter.requires_grad for parameter in module.parameters())


def test_constant_weights_stay_what_they_are():
    module = torch.nn.Linear(3, 1)
    average = MovingAverage(module, FlatParameters(module), decay=0.999)
    for step in range(1, 100):
        average.update(step)
    assert average.module.weight.flatten().tolist() == pytest.approx(module.weight.flatten().tolist(), rel=1e-6)
