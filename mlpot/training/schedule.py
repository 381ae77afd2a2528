"""Progress of a run, its length in steps and the learning rate.

Everything is a function of the step number and of a few numbers kept in the checkpoint, so that a resumed run repeats
the uninterrupted one. A time budget enters at a few marks only: there the remaining number of steps is computed
from the measured speed, and the progress continues without a jump.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mlpot.config import OptimizationConfig, ScheduleConfig

# Fractions of a time budget, or of the run, at which its length is computed again.
REPLAN_MARKS = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9)
# Largest fraction of the steps spent on warm-up.
_LONGEST_WARMUP = 0.1


@dataclass
class Plan:
    """Length of a run and its progress from 0 to 1.

    Attributes
    ----------
    total_steps : int
        Steps after which the run is over.
    start_step, start_progress
        The progress grows linearly from here to 1 at `total_steps`.
    start_elapsed : float, s
        Time at `start_step`.
    marks_passed : int
        Number of `REPLAN_MARKS` passed.
    """

    total_steps: int
    start_step: int = 0
    start_progress: float = 0.0
    start_elapsed: float = 0.0
    marks_passed: int = 0

    def progress(self, step: int) -> float:
        """Fraction of the run that is done before optimizer step `step` (counted from 0)."""
        remaining = self.total_steps - self.start_step
        if remaining <= 0:
            return 1.0
        return self.start_progress + (1.0 - self.start_progress) * (step - self.start_step) / remaining

    def is_mark_due(self, step: int, elapsed: float, budget: float) -> bool:
        """Whether the time or the progress has passed the next mark."""
        if self.marks_passed == len(REPLAN_MARKS):
            return False
        progress = self.progress(step) if self.marks_passed else 0.0
        return max(elapsed / budget, progress) >= REPLAN_MARKS[self.marks_passed]

    def replan(self, step: int, elapsed: float, budget: float) -> None:
        """Let the run end when the budget does, by the speed since the last mark; the progress does not change.

        The length is a guess until the first mark, where the progress is set to the elapsed fraction of the budget.

        Parameters
        ----------
        step : int
            Optimizer steps done.
        elapsed, budget : float, s
        """
        while self.is_mark_due(step, elapsed, budget):
            self.marks_passed += 1
        per_step = (elapsed - self.start_elapsed) / max(1, step - self.start_step)
        progress = elapsed / budget if self.start_step == 0 else self.progress(step)
        self.start_step, self.start_elapsed, self.start_progress = step, elapsed, min(progress, 1.0)
        self.total_steps = step + max(1, int((budget - elapsed) / per_step))

    def to_dict(self) -> dict[str, Any]:
        """Return the state for a checkpoint."""
        return asdict(self)


def initial_plan(config: OptimizationConfig, n_batches: int) -> Plan:
    """Plan at the start of a run.

    Parameters
    ----------
    config : OptimizationConfig
    n_batches : int
        Steps in an epoch.
    """
    if config.time_budget is not None:
        # The length is unknown before the first mark; the warm-up and a nearly constant rate need no better guess.
        return Plan(total_steps=1_000_000_000)
    if config.steps is not None:
        return Plan(total_steps=config.steps)
    return Plan(total_steps=(config.epochs or 1) * n_batches)


@dataclass
class Plateau:
    """Factor on the learning rate that falls when the validation loss stops falling."""

    factor: float = 1.0
    best: float = math.inf
    epochs_without: int = 0

    def update(self, loss: float, config: ScheduleConfig) -> None:
        """Record a validation with the given loss."""
        if loss < self.best:
            self.best, self.epochs_without = loss, 0
            return
        self.epochs_without += 1
        if self.epochs_without >= config.patience:
            self.factor = max(self.factor * config.factor, config.final_fraction)
            self.epochs_without = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the state for a checkpoint."""
        return asdict(self)


def learning_rate(config: OptimizationConfig, plan: Plan, plateau: Plateau, step: int, stage_step: int = 0) -> float:
    """Learning rate of optimizer step `step` (counted from 0).

    Parameters
    ----------
    config : OptimizationConfig
    plan : Plan
    plateau : Plateau
    step : int
    stage_step : int
        Step at which the moments of the optimizer were reset; the warm-up counts from there.
    """
    schedule = config.schedule
    warmup = min(schedule.warmup_steps, int(_LONGEST_WARMUP * plan.total_steps))
    rate = config.lr * min(1.0, (step - stage_step + 1) / (warmup + 1))
    if schedule.kind == "plateau":
        return rate * plateau.factor
    falling = 0.5 * (1.0 + math.cos(math.pi * plan.progress(step)))
    return rate * (schedule.final_fraction + (1.0 - schedule.final_fraction) * falling)


def plan_from(state: Mapping[str, Any]) -> Plan:
    """Plan from a checkpoint."""
    return Plan(**state)


def plateau_from(state: Mapping[str, Any]) -> Plateau:
    """Plateau state from a checkpoint."""
    return Plateau(**state)
