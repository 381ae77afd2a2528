"""Exponential moving average of the weights: these are validated and exported."""

import copy
from typing import Generic, TypeVar

import torch
from torch import nn

from mlpot.training.flat import FlatParameters

Module = TypeVar("Module", bound=nn.Module)


class MovingAverage(Generic[Module]):
    """A copy of a module with the moving average of its parameters.

    Parameters
    ----------
    module : nn.Module
    weights : FlatParameters
        Of `module`.
    decay : float

    Attributes
    ----------
    module : nn.Module
        Holds the averaged parameters.
    """

    def __init__(self, module: Module, weights: FlatParameters, decay: float) -> None:
        self.module: Module = copy.deepcopy(module)
        self.module.requires_grad_(False)
        self.decay = decay
        self._averaged = FlatParameters(self.module).values
        self._followed = weights.values

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Update the average after optimizer step number `step` (counted from 1).

        The decay is smaller in early steps; otherwise the initial weights would dominate ``1 / (1 - decay)`` steps.
        """
        decay = min(self.decay, (1.0 + step) / (10.0 + step))
        self._averaged.lerp_(self._followed, 1.0 - decay)
