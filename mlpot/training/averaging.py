"""Exponential moving average of the weights: what is validated and exported."""

import copy
from typing import Generic, TypeVar

import torch
from torch import nn

from mlpot.training.flat import FlatParameters

Module = TypeVar("Module", bound=nn.Module)


class MovingAverage(Generic[Module]):
    """A second copy of a module whose parameters follow the first one slowly.

    Parameters
    ----------
    module : nn.Module
    weights : FlatParameters
        Of `module`.
    decay : float

    Attributes
    ----------
    module : nn.Module
        Holds the averaged parameters; never trained itself.
    """

    def __init__(self, module: Module, weights: FlatParameters, decay: float) -> None:
        self.module: Module = copy.deepcopy(module)
        self.module.requires_grad_(False)
        self.decay = decay
        self._averaged = FlatParameters(self.module).values
        self._followed = weights.values

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move towards the present parameters after optimizer step number `step` (counted from 1).

        Early steps count for more, else the average would remember the random start for ``1 / (1 - decay)`` steps.
        """
        decay = min(self.decay, (1.0 + step) / (10.0 + step))
        self._averaged.lerp_(self._followed, 1.0 - decay)
