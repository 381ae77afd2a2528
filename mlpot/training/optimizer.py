"""Optimizers: Muon for the linear maps of a potential, AdamW for its other weights.

Muon changes a linear map by the same amount along all of its singular directions; AdamW changes each of its elements by
about the same amount. With Muon the loss falls several times faster, and at the same error on the training set the
error on other structures is smaller (research/accuracy.md).

References
----------
Jordan et al., Muon: an optimizer for hidden layers in neural networks (2024), kellerjordan.github.io/posts/muon.
Liu et al., Muon is scalable for LLM training, arXiv 2502.16982, eq. 4: size of the steps beside AdamW.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn

from mlpot.config import OptimizationConfig
from mlpot.model import Potential
from mlpot.model.density import MessageDensity, SpeciesDensity

STEP_SIZE: Final = 0.15
"""Root mean square of the elements of a step, at a learning rate of 1: somewhat below that of AdamW's steps."""

_QUINTIC = (3.4445, -4.7750, 2.0315)
"""Coefficients of an odd polynomial that moves singular values between 0 and 1 close to 1 when it is iterated."""

_ITERATIONS = 5


def make_optimizers(potential: Potential, settings: OptimizationConfig) -> list[torch.optim.Optimizer]:
    """Optimizers for all weights of a potential.

    Parameters
    ----------
    potential : Potential
    settings : OptimizationConfig

    Returns
    -------
    list of Optimizer
    """
    maps = list(linear_maps(potential))
    mapped = {id(weights) for weights in maps}
    others = [weights for weights in potential.parameters() if weights.numel() and id(weights) not in mapped]
    adamw = torch.optim.AdamW(
        others,
        lr=settings.lr,
        betas=settings.betas,
        weight_decay=settings.weight_decay,
        amsgrad=settings.amsgrad,
        fused=True,
    )
    return [Muon(maps, settings.lr, settings.momentum, settings.weight_decay), adamw]


def linear_maps(potential: Potential) -> Iterator[nn.Parameter]:
    """Weights that are matrices, or several of them, between vectors of features; without empty ones."""
    layers: Any = potential.layers
    for layer in layers:
        density = layer.density
        if isinstance(density, SpeciesDensity):
            yield density.mix
        elif isinstance(density, MessageDensity):
            yield density.radial
            yield from density.mix
        candidates = [layer.update, layer.skip, layer.message]
        if layer.readout_hidden is not None:
            candidates.append(layer.readout_hidden.weight)
        yield from (weights for weights in candidates if weights.numel())


class Muon(torch.optim.Optimizer):
    """Steps along the orthogonal matrices nearest to the momenta of the gradients.

    Parameters
    ----------
    parameters : sequence of (..., n_rows, n_columns)
        Each matrix is treated on its own.
    lr : float
    momentum : float
        Decay of the running sum of the gradients.
    weight_decay : float
        Decoupled, as in AdamW.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], lr: float, momentum: float, weight_decay: float) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Take a step; parameters without a gradient do not change."""
        for group in self.param_groups:
            shapes: dict[tuple[int, ...], list[nn.Parameter]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    shapes.setdefault(tuple(parameter.shape[-2:]), []).append(parameter)
            for shape, parameters in shapes.items():
                self._move(parameters, shape, group)

    def _move(self, parameters: Sequence[nn.Parameter], shape: tuple[int, ...], group: dict[str, Any]) -> None:
        """Move all matrices of one shape."""
        directions = orthogonalized(torch.cat([self._momentum(one, group).view(-1, *shape) for one in parameters]))
        first = 0
        for parameter in parameters:
            n_matrices = math.prod(parameter.shape[:-2])
            parameter.mul_(1.0 - group["lr"] * group["weight_decay"])
            step = directions[first : first + n_matrices].view_as(parameter)
            parameter.add_(step, alpha=-group["lr"] * STEP_SIZE * math.sqrt(max(shape)))
            first += n_matrices

    def _momentum(self, parameter: nn.Parameter, group: dict[str, Any]) -> Tensor:
        """Momentum one step ahead (Nesterov)."""
        state, gradient = self.state[parameter], parameter.grad
        if gradient is None:
            raise RuntimeError("a parameter without a gradient has no momentum")
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        momentum: Tensor = state["momentum"]
        momentum.mul_(group["momentum"]).add_(gradient)
        return gradient.add(momentum, alpha=group["momentum"])


def orthogonalized(matrices: Tensor) -> Tensor:
    """Matrices ``(n, n_rows, n_columns)`` with their singular values brought close to 1, between about 0.7 and 1.2."""
    wide = matrices.size(1) <= matrices.size(2)
    result: Tensor = matrices if wide else matrices.transpose(1, 2)
    # in two steps: squares of small gradients underflow
    result = result / result.abs().amax((1, 2), keepdim=True).clamp(min=torch.finfo(matrices.dtype).tiny)
    result = result / result.norm(dim=(1, 2), keepdim=True).clamp(min=1.0)
    linear, cubic, quintic = _QUINTIC
    for _ in range(_ITERATIONS):
        square = result @ result.transpose(1, 2)
        result = linear * result + torch.baddbmm(cubic * square, square, square, alpha=quintic) @ result
    return result if wide else result.transpose(1, 2)
