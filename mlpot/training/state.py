"""State of a training run: with weights and optimizers, everything that a checkpoint holds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mlpot.training.schedule import Plan, Plateau, plan_from, plateau_from

Row = dict[str, float]


@dataclass
class TrainerState:
    """Position and history of a run.

    Attributes
    ----------
    step : int
        Optimizer steps done.
    epoch : int
        Epochs done.
    batch : int
        Batches done of the present epoch.
    elapsed : float, s
        Time spent training, earlier processes included.
    stage, stage_step : int
        Present stage of the loss, and the step at which it began.
    loss_sum : float
        Sum of the losses of the present epoch.
    history : list of dict
        One row per validation.
    """

    plan: Plan
    plateau: Plateau = field(default_factory=Plateau)
    step: int = 0
    epoch: int = 0
    batch: int = 0
    elapsed: float = 0.0
    stage: int = 0
    stage_step: int = 0
    loss_sum: float = 0.0
    history: list[Row] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for a checkpoint."""
        return {**vars(self), "plan": self.plan.to_dict(), "plateau": self.plateau.to_dict()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "TrainerState":
        """Build the state from a checkpoint."""
        return cls(**{**values, "plan": plan_from(values["plan"]), "plateau": plateau_from(values["plateau"])})
