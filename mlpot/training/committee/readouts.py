"""Shallow committee of a trained model: last weights whose spread of forces is that of the errors.

Forces and energies are linear in the last weights, ``F = F_0 + J deviation``, so the members need no training of the
whole model: ``J`` is computed once. The deviations start as samples of the Gaussian posterior of a linear model with
the trained features, ``covariance = (sum over labels of J^T J / error^2 + ridge)^-1``, and are then fitted by the
likelihood of the force errors on the training set,

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
from mlpot.model import Potential, ShallowCommittee
from mlpot.model.readout import last_weights
from mlpot.training.native import Derivatives, choose_derivatives
from mlpot.training.samples import SampleSet
from mlpot.uncertainty.quality import FIXED

STEPS = 300
LEARNING_RATE = 0.02
BATCH_ATOMS = 512
RIDGE = 1e-6
MOST_ATOMS = 20_000
"""More atoms cost memory and do not change the fit of some thousand numbers."""

_TOGETHER = 400


class _Labels(NamedTuple):
    """Errors of the model, and derivatives of forces and energies with respect to the last weights."""

    jacobian: Tensor  # (n_atoms, 3, descriptor_width), float32, eV/A
    errors: Tensor  # (n_atoms, 3), float64, eV/A
    energy_jacobian: Tensor  # (n_structures, descriptor_width), float64, eV/atom
    energy_errors: Tensor  # (n_structures,), float64, eV/atom


def attach_readouts(potential: Potential, samples: SampleSet, n_members: int, seed: int = 0) -> ShallowCommittee:
    """Make a committee out of a trained potential.

    Parameters
    ----------
    potential : Potential
        The committee has the same predictions.
    samples : SampleSet
        The training set; only forces count.
    n_members : int
    seed : int
        Of the samples.

    Returns
    -------
    ShallowCommittee

    Raises
    ------
    TrainingError
        No structure has forces.
    """
    evaluate, _ = choose_derivatives(potential, "auto")
    parts = [_linear_labels(potential, evaluate, samples, chosen) for chosen in _chunks(samples, seed)]
    if not parts:
        raise TrainingError("no labelled forces: the members of a committee are fitted to errors of forces")
    data = _Labels(*(torch.cat(tensors) for tensors in zip(*parts, strict=True)))
    return ShallowCommittee(copy.deepcopy(potential), _fit(data, n_members, seed))


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


def _linear_labels(potential: Potential, evaluate: Derivatives, samples: SampleSet, chosen: list[int]) -> _Labels:
    """Errors of forces and energies, and their derivatives with respect to each last weight."""
    weight = next(potential.parameters())
    batch = samples.batch(chosen).to(weight.device)
    trained = evaluate(potential, batch.graph)
    single = copy.deepcopy(potential)

    def alone(index: int | None) -> tuple[Tensor, Tensor]:
        _set_last_weights(single, index)
        prediction = evaluate(single, batch.graph)
        return prediction.forces.detach(), prediction.energy.detach() / batch.n_atoms

    no_forces, no_energy = alone(None)
    columns = [alone(index) for index in range(potential.descriptor_width)]
    labelled = batch.has_energy > 0
    return _Labels(
        torch.stack([(forces - no_forces).to(torch.float32) for forces, _ in columns], -1).cpu(),
        (trained.forces - batch.forces).detach().cpu(),
        torch.stack([energy - no_energy for _, energy in columns], -1)[labelled].cpu(),
        ((trained.energy - batch.energy) / batch.n_atoms)[labelled].detach().cpu(),
    )


@torch.no_grad()
def _set_last_weights(potential: Potential, index: int | None) -> None:
    """Set all last weights to zero, one of them to one."""
    parameters = dict(potential.named_parameters())
    for name, place in last_weights(potential.config).items():
        values = torch.zeros(place.stop - place.start)
        if index is not None and place.start <= index < place.stop:
            values[index - place.start] = 1.0
        parameters[name].copy_(values.view_as(parameters[name]))


def _fit(data: _Labels, n_members: int, seed: int) -> Tensor:
    """Deviations ``(n_members, descriptor_width)``, float64."""
    generator = torch.Generator().manual_seed(seed)
    factor = _posterior_factor(data)
    whitened, errors = _free_atoms(data.jacobian @ factor.to(torch.float32), data.errors)
    draws = torch.randn(n_members, len(factor), dtype=torch.float64, generator=generator).requires_grad_(True)
    optimizer = torch.optim.Adam([draws], lr=LEARNING_RATE)
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * (1.0 - step / STEPS)
        batch = torch.randint(len(whitened), (min(BATCH_ATOMS, len(whitened)),), generator=generator)
        centered = draws - draws.mean(0)
        forces = (whitened[batch] @ centered.to(torch.float32).T).double()
        variance = forces.square().sum(2).mean(1) / (n_members - 1)
        loss = (0.5 * errors[batch].square().sum(1) / variance + 1.5 * variance.log()).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return (draws - draws.mean(0)).detach() @ factor.T


def _free_atoms(whitened: Tensor, errors: Tensor) -> tuple[Tensor, Tensor]:
    """Leave out atoms that symmetry holds in place: no last weight moves them, and their likelihood has no bound."""
    variances = whitened.square().sum((1, 2))
    free = variances > FIXED**2 * variances.mean()
    if not free.any():
        raise TrainingError(
            "symmetry makes all forces zero, and the members of a committee are fitted to errors of forces: give "
            "structures with displaced atoms, or leave training.committee out"
        )
    return whitened[free], errors[free]


def _posterior_factor(data: _Labels) -> Tensor:
    """Lower triangular ``(descriptor_width, descriptor_width)``; its square is the covariance of the last weights."""
    width = data.jacobian.shape[2]
    hessian = torch.zeros(width, width, dtype=torch.float64)
    for part in torch.split(data.jacobian, 2000):
        rows = part.reshape(-1, width).double()
        hessian += rows.T @ rows
    hessian /= data.errors.square().mean()
    if len(data.energy_errors):
        # Otherwise the members would deviate without limit in what changes energies and no force.
        hessian += data.energy_jacobian.T @ data.energy_jacobian / data.energy_errors.square().mean()
    ridge = RIDGE * hessian.diagonal().mean() * torch.eye(width, dtype=torch.float64)
    inverse = torch.linalg.inv(hessian + ridge)
    factor: Tensor = torch.linalg.cholesky(0.5 * (inverse + inverse.T))
    return factor
