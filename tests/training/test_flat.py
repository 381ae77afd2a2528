import torch

from mlpot.training.flat import FlatParameters


def test_weights_and_gradients_are_views_of_one_tensor():
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.SiLU(), torch.nn.Linear(4, 1)).double()
    values = torch.nn.utils.parameters_to_vector(module.parameters()).detach()
    flat = FlatParameters(module)
    assert torch.equal(flat.values, values)
    module(torch.ones(1, 3, dtype=torch.float64)).sum().backward()
    gradients = torch.cat([parameter.grad.flatten() for parameter in module.parameters()])
    assert gradients.abs().max() > 0.0
    assert torch.equal(flat.gradient, gradients)
    with torch.no_grad():
        flat.values.zero_()
    assert all(not parameter.any() for parameter in module.parameters())


def test_gradients_add_up_until_they_are_set_to_zero():
    module = torch.nn.Linear(2, 1).double()
    flat = FlatParameters(module)
    for _ in range(2):
        module(torch.ones(1, 2, dtype=torch.float64)).sum().backward()
    assert flat.gradient.tolist() == [2.0, 2.0, 2.0]
    flat.gradient.zero_()
    assert not module.weight.grad.any()
