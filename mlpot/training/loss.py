"""Loss (Huber, on norms) and error measures.

The loss of a batch divides by the number of labels that a batch holds *on average*, a constant of the run. So each
label has the same weight in an epoch, independent of its batch and of missing labels, and the contributions of several
processes to a batch add up.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from mlpot.config import LossConfig, LossStage
from mlpot.model.derivatives import Prediction
from mlpot.training.samples import LabelCounts, Sample

METRIC_UNITS = {"energy": "meV/atom", "forces": "meV/A", "stress": "meV/A^3"}
LABELS = tuple(METRIC_UNITS)


class Residuals(NamedTuple):
    """Prediction minus label; zero where there is no label.

    Attributes
    ----------
    energy : (n_structures,), eV per atom
    forces : (n_atoms, 3), eV/A
    virial : (n_structures, 3, 3), eV per atom
    """

    energy: Tensor
    forces: Tensor
    virial: Tensor


def residuals(prediction: Prediction, batch: Sample) -> Residuals:
    """Prediction minus labels."""
    return Residuals(
        (prediction.energy - batch.energy) / batch.n_atoms * batch.has_energy,
        (prediction.forces - batch.forces) * batch.has_forces[batch.graph.batch, None],
        (prediction.virial - batch.virial) * (batch.has_virial / batch.n_atoms)[:, None, None],
    )


def stage_index(config: LossConfig, progress: float) -> int:
    """Stage whose weights hold when the fraction `progress` of the run is done."""
    return sum(stage.start <= progress for stage in config.stages) - 1


class Loss:
    """Weighted sum of Huber losses on the norms of residuals of energy per atom, force vectors and virial per atom.

    Parameters
    ----------
    config : LossConfig
    scale : float, eV/A
        Residuals are divided by it.
    counts : LabelCounts
        Labels in the whole training set.
    n_batches : int
        Batches in an epoch.
    """

    def __init__(self, config: LossConfig, scale: float, counts: LabelCounts, n_batches: int) -> None:
        self.config = config
        self.scale = scale
        self.per_batch = [count / n_batches for count in counts]

    def __call__(self, errors: Residuals, batch: Sample, weights: LossStage) -> Tensor:
        """Return the loss of a batch, or the contribution of a part of it.

        Parameters
        ----------
        errors : Residuals
        batch : Sample
            Of the residuals.
        weights : LossStage

        Returns
        -------
        Tensor
            Scalar, float64, dimensionless.
        """
        total = errors.energy.new_zeros(())
        of_structure = (batch.weight, batch.weight[batch.graph.batch], batch.weight)
        for weight, expected, error, factor in zip(
            (weights.energy, weights.forces, weights.stress), self.per_batch, errors, of_structure, strict=True
        ):
            if weight > 0.0 and expected > 0.0:
                total = total + weight / (expected * self.scale**2) * (self._penalty(error) * factor).sum()
        return total

    def _penalty(self, error: Tensor) -> Tensor:
        """Huber loss on the norm of each residual (energy, force vector, virial): squared below delta, linear above.

        Norms do not depend on the axes, and a few structures that are hard to fit do not dominate the loss.
        """
        delta = self.config.huber_delta
        square = error.reshape(error.size(0), -1).square().sum(1)
        is_small = square <= delta**2
        # the square root has no derivative at zero
        norm = torch.where(is_small, torch.ones_like(square), square).sqrt()
        return torch.where(is_small, square, 2.0 * delta * norm - delta**2)


class ErrorSums:
    """Running sums over a data set, from which rms and mean absolute errors follow.

    Attributes
    ----------
    sums : (3, 3), float64
        Rows energy per atom, forces, stress; columns sum of squares, sum of magnitudes, count.
    """

    def __init__(self, device: torch.device) -> None:
        self.sums = torch.zeros(3, 3, dtype=torch.float64, device=device)

    def add(self, errors: Residuals, batch: Sample) -> None:
        """Add the residuals of a batch."""
        counts = (batch.has_energy.sum(), 3.0 * (batch.has_forces * batch.n_atoms).sum(), 9.0 * batch.has_virial.sum())
        stress = errors.virial * (batch.n_atoms / batch.volume)[:, None, None]
        for row, (error, count) in enumerate(zip((errors.energy, errors.forces, stress), counts, strict=True)):
            self.sums[row] += torch.stack([error.detach().square().sum(), error.detach().abs().sum(), count])

    def report(self) -> dict[str, float]:
        """Return ``<label>_rmse`` and ``<label>_mae`` in the units of `METRIC_UNITS` for each label that occurs."""
        report = {}
        for label, (square, magnitude, count) in zip(LABELS, self.sums.tolist(), strict=True):
            if count:
                report[f"{label}_rmse"] = 1e3 * (square / count) ** 0.5
                report[f"{label}_mae"] = 1e3 * magnitude / count
        return report
