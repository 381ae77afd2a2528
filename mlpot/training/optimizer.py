"""Optimizers: Muon for the linear maps of a potential, AdamW for its other weights.

Elements that are absent from a batch do not move: neither maps of their own nor their other weights (`element_adamw`).

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
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor, nn

from mlpot.config import OptimizationConfig
from mlpot.model import Potential
from mlpot.model.density import MessageDensity, SharedDensity
from mlpot.training.element_adamw import ElementAdamW

STEP_SIZE: Final = 0.15
"""Root mean square of the elements of a step, at a learning rate of 1: somewhat below that of AdamW's steps."""

_QUINTIC = (3.4445, -4.7750, 2.0315)
"""Coefficients of an odd polynomial that moves singular values between 0 and 1 close to 1 when it is iterated."""

_ITERATIONS = 5
_ELONGATED = 3
"""Ratio of columns and rows from which iterating on squares takes less time."""


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
    maps, shared = list(linear_maps(potential)), list(shared_maps(potential))
    of_elements = dict(element_weights(potential)) if len(potential.atomic_numbers) > 1 else {}
    known = {id(weights) for weights in (*maps, *shared, *of_elements)}
    others = [weights for weights in potential.parameters() if weights.numel() and id(weights) not in known]
    adamw = torch.optim.AdamW(
        others,
        lr=settings.lr,
        betas=settings.betas,
        weight_decay=settings.weight_decay,
        amsgrad=settings.amsgrad,
        fused=True,
    )
    optimizers = [Muon(maps, shared, settings.lr, settings.momentum, settings.weight_decay), adamw]
    if of_elements:
        optimizers.append(ElementAdamW(list(of_elements), list(of_elements.values()), settings))
    return optimizers


def linear_maps(potential: Potential) -> Iterator[nn.Parameter]:
    """Weights that are matrices, or several of them, between vectors of features; without empty ones."""
    layers: Any = potential.layers
    for layer in layers:
        if isinstance(layer.density, MessageDensity):
            yield layer.density.radial
        if layer.readout_hidden is not None:
            yield layer.readout_hidden.weight
        if layer.embedding is None:
            yield from _maps_by_element(layer)


def shared_maps(potential: Potential) -> Iterator[nn.Parameter]:
    """Mixtures of matrices ``(rank, ..., n_in, n_out)``: linear maps of the products of embedding and features."""
    layers: Any = potential.layers
    for layer in layers:
        if layer.embedding is not None:
            yield from _maps_by_element(layer)


def _maps_by_element(layer: Any) -> Iterator[nn.Parameter]:  # noqa: ANN401  # a Layer
    density = layer.density
    if isinstance(density, MessageDensity):
        yield from density.mix
    else:
        yield density.mix
    if isinstance(density, SharedDensity):
        yield density.radial
    yield from (weights for weights in (layer.update, layer.skip, layer.message) if weights.numel())


def element_weights(potential: Potential) -> Iterator[tuple[nn.Parameter, int]]:
    """Weights other than linear maps of which each element has its own, and their axis of elements."""
    layers: Any = potential.layers
    for layer in layers:
        if layer.message_embedding.numel():
            yield layer.message_embedding, 0
        if layer.embedding is None:
            yield from ((coupling.weights, 1) for coupling in layer.contraction.couplings)
        else:
            yield layer.embedding, 0
        if isinstance(layer.density, SharedDensity):
            yield layer.density.embedding, 0


class Muon(torch.optim.Optimizer):
    """Steps along the orthogonal matrices nearest to the momenta of the gradients.

    Parameters
    ----------
    maps : sequence of (..., n_rows, n_columns)
        Each matrix is treated on its own; those whose gradient is zero do not move.
    shared : sequence of (rank, ..., n_rows, n_columns)
        Matrices of equal indices but the first are treated as one, of ``rank n_rows`` rows.
    lr : float
    momentum : float
        Decay of the running sum of the gradients.
    weight_decay : float
        Decoupled, as in AdamW.
    """

    def __init__(
        self,
        maps: Sequence[nn.Parameter],
        shared: Sequence[nn.Parameter],
        lr: float,
        momentum: float,
        weight_decay: float,
    ) -> None:
        groups = [{"params": list(maps), "shared": False}, {"params": list(shared), "shared": True}]
        super().__init__(
            [group for group in groups if group["params"]],
            {"lr": lr, "momentum": momentum, "weight_decay": weight_decay},
        )

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Take a step; matrices without a gradient do not change."""
        momenta = [
            self._momentum(parameter, parameter.grad, group)
            for group in self.param_groups
            for parameter in group["params"]
            if parameter.grad is not None
        ]
        for momentum, steps in zip(momenta, orthogonalized([one.ahead for one in momenta]), strict=True):
            _move(momentum, steps)

    def _momentum(self, parameter: nn.Parameter, gradient: Tensor, group: dict[str, Any]) -> "_Momentum":
        state, shared = self.state[parameter], group["shared"]
        gradient = as_matrices(gradient, shared)
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(gradient)
        momentum: Tensor = state["momentum"]
        moving = None if shared else _nonzero(gradient)
        if moving is not None:
            gradient = gradient[moving]
            momentum[moving] = momentum[moving].mul_(group["momentum"]).add_(gradient)
            return _Momentum(parameter, group, moving, gradient.add(momentum[moving], alpha=group["momentum"]))
        momentum.mul_(group["momentum"]).add_(gradient)
        return _Momentum(parameter, group, None, gradient.add(momentum, alpha=group["momentum"]))


class _Momentum(NamedTuple):
    """Momentum of the matrices of a parameter that move, one step ahead (Nesterov); `moving` None: all of them."""

    parameter: nn.Parameter
    group: dict[str, Any]
    moving: Tensor | None
    ahead: Tensor


def _nonzero(gradient: Tensor) -> Tensor | None:
    """Which matrices have a gradient; None: all of them."""
    nonzero = gradient.abs().amax((1, 2)) > 0.0
    return None if bool(nonzero.all()) else nonzero


def _move(momentum: _Momentum, steps: Tensor) -> None:
    parameter, group = momentum.parameter, momentum.group
    rate = group["lr"] * STEP_SIZE * math.sqrt(max(steps.shape[1:]))
    decay = 1.0 - group["lr"] * group["weight_decay"]
    if momentum.moving is not None:
        values = parameter.view(-1, *parameter.shape[-2:])
        values[momentum.moving] = values[momentum.moving].mul_(decay).add_(steps, alpha=-rate)
        return
    if group["shared"]:
        rank, *between, n_rows, n_columns = parameter.shape
        steps = steps.view(*between, rank, n_rows, n_columns).movedim(-3, 0)
    parameter.mul_(decay).add_(steps.reshape(parameter.shape), alpha=-rate)


def as_matrices(weights: Tensor, shared: bool) -> Tensor:
    """Gradients as matrices ``(n, n_rows, n_columns)``: each its own, or those of all mixtures below each other."""
    if shared:
        weights = weights.movedim(0, -3).flatten(-3, -2)
    return weights.reshape(-1, *weights.shape[-2:])


def orthogonalized(stacks: Sequence[Tensor]) -> list[Tensor]:
    """Matrices, in stacks ``(n, n_rows, n_columns)``, with their singular values brought close to 1: 0.7 to 1.2."""
    wide = [_scaled(stack if stack.size(1) <= stack.size(2) else stack.transpose(1, 2)) for stack in stacks]
    groups: dict[tuple[int, ...], list[int]] = {}
    for index, stack in enumerate(wide):
        elongated = stack.size(2) >= _ELONGATED * stack.size(1)
        groups.setdefault((stack.size(1),) if elongated else tuple(stack.shape[1:]), []).append(index)
    results = list(wide)
    for shape, indices in groups.items():
        function = _through_squares if len(shape) == 1 else _iterated
        for index, result in zip(indices, function([wide[index] for index in indices]), strict=True):
            results[index] = result if stacks[index].size(1) <= stacks[index].size(2) else result.transpose(1, 2)
    return results


def _scaled(matrices: Tensor) -> Tensor:
    """Divide by the largest element: squares of small gradients underflow."""
    largest = torch.linalg.vector_norm(matrices, ord=math.inf, dim=(1, 2), keepdim=True)
    scaled: Tensor = matrices / largest.clamp(min=torch.finfo(matrices.dtype).tiny)
    return scaled


def _iterated(stacks: Sequence[Tensor]) -> Sequence[Tensor]:
    """Iterate the polynomial on wide matrices of one shape."""
    linear, cubic, quintic = _QUINTIC
    matrices = torch.cat(list(stacks))
    matrices = matrices / matrices.norm(dim=(1, 2), keepdim=True).clamp(min=1.0)
    for _ in range(_ITERATIONS):
        square = matrices @ matrices.transpose(1, 2)
        matrices = linear * matrices + torch.baddbmm(cubic * square, square, square, alpha=quintic) @ matrices
    return torch.split(matrices, [len(stack) for stack in stacks])


def _through_squares(stacks: Sequence[Tensor]) -> Sequence[Tensor]:
    """Iterate on the squares of elongated matrices of equal numbers of rows: they are small, and factors commute."""
    linear, cubic, quintic = _QUINTIC
    square = torch.cat([stack @ stack.transpose(1, 2) for stack in stacks])
    one = torch.eye(square.size(1), dtype=square.dtype, device=square.device)
    norm = (square * one).sum((1, 2), keepdim=True).sqrt().clamp(min=1.0)
    square, product = square / norm.square(), one / norm
    for _ in range(_ITERATIONS):
        factor = torch.baddbmm(cubic * square + linear * one, square, square, alpha=quintic)
        product = factor @ product
        square = factor @ square @ factor
    parts = torch.split(product, [len(stack) for stack in stacks])
    return [part @ stack for part, stack in zip(parts, stacks, strict=True)]
