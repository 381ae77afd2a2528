"""A shallow committee around a trained model: last weights whose spread of forces is that of the errors.

Forces are linear in the last weights, ``F = F_0 + J deviation``, so the members need no training of the whole model:
``J`` is computed once. The deviations begin as draws from the Gaussian posterior of a linear model with the trained
features, ``covariance = sigma^2 (J^T J + ridge)^-1``, and are then fitted by the likelihood of the force errors on
the training set,

    - log p = |error_i|^2 / (2 s_i^2) + 3 log s_i,    s_i^2 = mean over x, y, z of the variance of J_i deviation

in coordinates in which the posterior is round. The mean of the members, and with it every prediction, stays as it is.
"""

import copy
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mlpot.errors import TrainingError
from mlpot.members import last_weights
from mlpot.model import Potential, ShallowCommittee
from mlpot.model.committee import shallow_committee
from mlpot.training.native import Derivatives, choose_derivatives
from mlpot.training.samples import SampleSet

STEPS = 300
LEARNING_RATE = 0.02
BATCH_ATOMS = 512
RIDGE = 1e-6
MOST_ATOMS = 20_000
"""More atoms do not change the fit of some thousand numbers, but cost memory."""

_TOGETHER = 400


class _Forces(NamedTuple):
    """Labelled forces and what they depend on."""

    jacobian: Tensor  # (n_atoms, 3, descriptor_width), float32, eV/A
    errors: Tensor  # (n_atoms, 3), float64, eV/A


def attach_readouts(potential: Potential, samples: SampleSet, n_members: int, seed: int = 0) -> ShallowCommittee:
    """Make a committee out of a trained potential.

    Parameters
    ----------
    potential : Potential
        Its predictions stay those of the committee.
    samples : SampleSet
        What it was trained on; only forces count.
    n_members : int
    seed : int
        Of the draws.

    Returns
    -------
    ShallowCommittee

    Raises
    ------
    TrainingError
        No structure has forces.
    """
    evaluate, _ = choose_derivatives(potential, "auto")
    parts = [_linear_forces(potential, evaluate, samples, chosen) for chosen in _chunks(samples, seed)]
    if not parts:
        raise TrainingError("no labelled forces: the members of a committee are fitted to errors of forces")
    data = _Forces(*(torch.cat(tensors) for tensors in zip(*parts, strict=True)))
    return shallow_committee(potential, _fit(data, n_members, seed))


def _chunks(samples: SampleSet, seed: int) -> Iterator[list[int]]:
    """Structures with forces in random order, some hundred atoms at a time, up to `MOST_ATOMS`."""
    chosen: list[int] = []
    n_atoms = total = 0
    for index in np.random.default_rng(seed).permutation(len(samples)).tolist():
        if samples.structures[index].forces is None or total >= MOST_ATOMS:
            continue
        chosen.append(index)
        n_atoms += int(samples.n_atoms[index])
        total += int(samples.n_atoms[index])
        if n_atoms >= _TOGETHER:
            yield chosen
            chosen, n_atoms = [], 0
    if chosen:
        yield chosen


def _linear_forces(potential: Potential, evaluate: Derivatives, samples: SampleSet, chosen: list[int]) -> _Forces:
    """Errors of the forces, and the forces of each last weight alone."""
    weight = next(potential.parameters())
    batch = samples.batch(chosen).to(weight.device)
    errors = evaluate(potential, batch.graph).forces - batch.forces
    probe = copy.deepcopy(potential)

    def forces(index: int | None) -> Tensor:
        _set_last_weights(probe, index)
        return evaluate(probe, batch.graph).forces.detach()

    without = forces(None)
    columns = [(forces(index) - without).to(torch.float32) for index in range(potential.descriptor_width)]
    return _Forces(torch.stack(columns, -1).cpu(), errors.detach().cpu())


@torch.no_grad()
def _set_last_weights(potential: Potential, index: int | None) -> None:
    """Set all last weights to zero, one of them to one."""
    parameters = dict(potential.named_parameters())
    for name, place in last_weights(potential.config).items():
        values = torch.zeros(place.stop - place.start)
        if index is not None and place.start <= index < place.stop:
            values[index - place.start] = 1.0
        parameters[name].copy_(values.view_as(parameters[name]))


def _fit(data: _Forces, n_members: int, seed: int) -> Tensor:
    """Deviations ``(n_members, descriptor_width)``, float64."""
    generator = torch.Generator().manual_seed(seed)
    factor = _posterior_factor(data)
    whitened = data.jacobian @ factor.to(torch.float32)
    draws = torch.randn(n_members, len(factor), dtype=torch.float64, generator=generator).requires_grad_(True)
    optimizer = torch.optim.Adam([draws], lr=LEARNING_RATE)
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * (1.0 - step / STEPS)
        batch = torch.randint(len(whitened), (min(BATCH_ATOMS, len(whitened)),), generator=generator)
        centered = draws - draws.mean(0)
        forces = (whitened[batch] @ centered.to(torch.float32).T).double()
        variance = forces.square().sum(2).mean(1) / (n_members - 1)
        loss = (0.5 * data.errors[batch].square().sum(1) / variance + 1.5 * variance.log()).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return (draws - draws.mean(0)).detach() @ factor.T


def _posterior_factor(data: _Forces) -> Tensor:
    """Lower triangular ``(descriptor_width, descriptor_width)``; its square is the covariance of the last weights."""
    width = data.jacobian.shape[2]
    hessian = torch.zeros(width, width, dtype=torch.float64)
    for part in torch.split(data.jacobian, 2000):
        rows = part.reshape(-1, width).double()
        hessian += rows.T @ rows
    ridge = RIDGE * hessian.diagonal().mean() * torch.eye(width, dtype=torch.float64)
    noise = data.errors.square().mean()
    inverse = torch.linalg.inv(hessian + ridge) * noise
    factor: Tensor = torch.linalg.cholesky(0.5 * (inverse + inverse.T))
    return factor
