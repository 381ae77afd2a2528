"""All weights of a module in one tensor, and their gradients in another: one operation instead of one for each weight.

A potential has a few dozen small weights. Clipping, the average and the sum over processes would cost as much as the
gradient, unless each of them is one operation.
"""

import torch
from torch import Tensor, nn


class FlatParameters:
    """The parameters of a module as views of one tensor.

    Parameters
    ----------
    module : nn.Module
        On its final device, in its final dtype.

    Attributes
    ----------
    values : (n_weights,)
        With ``values.grad``, the gradients of all parameters, into which the backward pass adds.
    """

    def __init__(self, module: nn.Module) -> None:
        parameters = [parameter for parameter in module.parameters() if parameter.numel()]
        self.values = nn.Parameter(torch.cat([parameter.detach().flatten() for parameter in parameters]))
        self.values.grad = torch.zeros_like(self.values)
        first = 0
        for parameter in parameters:
            part = slice(first, first + parameter.numel())
            parameter.data = self.values.detach()[part].view_as(parameter)
            parameter.grad = self.gradient[part].view_as(parameter)
            first = part.stop

    @property
    def gradient(self) -> Tensor:
        """Gradients ``(n_weights,)``."""
        if self.values.grad is None:
            raise RuntimeError("the gradients of flat parameters are set to zero, never to None")
        return self.values.grad
