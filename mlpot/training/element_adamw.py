"""AdamW for weights that belong to one element each: a step moves the elements of the batch, no others.

With one count of steps and one running mean for all, an element that is absent would be moved along the gradients of
batches long past, and a rare one by steps several times too large, as its second moment is corrected for steps that it
has not taken.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mlpot.config import OptimizationConfig


class ElementAdamW(torch.optim.Optimizer):
    """AdamW, with AMSGrad, that counts the steps of each element.

    Parameters
    ----------
    parameters : sequence of nn.Parameter
    axes : sequence of int
        Axis of the elements in each of them.
    settings : OptimizationConfig

    References
    ----------
    Loshchilov and Hutter, Decoupled weight decay regularization, ICLR 2019, algorithm 2.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], axes: Sequence[int], settings: OptimizationConfig) -> None:
        super().__init__(parameters, {"lr": settings.lr})
        self.settings = settings
        self._axes = list(axes)
        self._widths = [
            parameter.numel() // parameter.shape[axis] for parameter, axis in zip(parameters, axes, strict=True)
        ]

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Take a step; elements without a gradient do not change."""
        parameters: list[nn.Parameter] = self.param_groups[0]["params"]
        gradients = self._rows([parameter.grad for parameter in parameters if parameter.grad is not None])
        present = torch.nonzero(gradients.abs().amax(1)).flatten()
        values = self._rows(parameters)
        steps = self._step_of(values, gradients, present, self.state[parameters[0]])
        values.index_add_(0, present, steps, alpha=-self.param_groups[0]["lr"])
        for parameter, axis, rows in zip(parameters, self._axes, torch.split(values, self._widths, 1), strict=True):
            moved = parameter.movedim(axis, 0)
            moved.copy_(rows.reshape(moved.shape))

    def _rows(self, tensors: Sequence[Tensor]) -> Tensor:
        """Tensors side by side, a row for each element."""
        moved = [tensor.movedim(axis, 0).flatten(1) for tensor, axis in zip(tensors, self._axes, strict=True)]
        return torch.cat(moved, 1)

    def _step_of(self, values: Tensor, gradients: Tensor, present: Tensor, state: dict[str, Any]) -> Tensor:
        """Update the moments of the present elements; their steps at a learning rate of 1."""
        if not state:
            state |= {name: torch.zeros_like(values) for name in ("mean", "square", "largest_square")}
            state["steps"] = torch.zeros_like(values[:, :1])
        settings, gradient = self.settings, gradients[present]
        steps = state["steps"][present] + 1.0
        mean = state["mean"][present].lerp(gradient, 1.0 - settings.betas[0])
        square = state["square"][present].lerp(gradient.square(), 1.0 - settings.betas[1])
        largest = torch.maximum(state["largest_square"][present], square)
        for name, moment in (("steps", steps), ("mean", mean), ("square", square), ("largest_square", largest)):
            state[name][present] = moment
        scale = (largest if settings.amsgrad else square) / (1.0 - settings.betas[1] ** steps)
        step: Tensor = mean / (1.0 - settings.betas[0] ** steps) / (scale.sqrt() + 1e-8)
        return step.add(values[present], alpha=settings.weight_decay)
