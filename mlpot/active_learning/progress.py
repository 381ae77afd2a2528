"""Progress of a running loop, as values: `run_loop` passes them to its caller, and `mlpot.cli` prints them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mlpot.active_learning.exploration.trajectory import Trajectory


@dataclass(frozen=True)
class InitialStructuresMade:
    """Structures that are labelled first."""

    n_structures: int
    n_held_out: int


@dataclass(frozen=True, eq=False)
class TrajectoryEnded:
    """An exploration trajectory; `target` in eV/A."""

    number: int
    n_trajectories: int
    trajectory: Trajectory
    target: float


@dataclass(frozen=True)
class FramesSelected:
    """Frames to label; `decisions` counts all candidates by their decision."""

    n_chosen: int
    n_random: int
    decisions: Mapping[str, int]


@dataclass(frozen=True)
class LabelsChanged:
    """Calculations that are done, and those that remain.

    Attributes
    ----------
    seconds_left : float or None
        Estimate; None without any label.
    blocked : str or None
        What prevents calculations from running.
    """

    n_done: int
    n_left: int
    seconds_left: float | None
    blocked: str | None


@dataclass(frozen=True)
class TrainingStarted:
    """Sizes of the training and held-out sets."""

    n_train: int
    n_held_out: int


@dataclass(frozen=True)
class ModelTrained:
    """A new potential; `metrics` are those of `train.Trained`, `target` in eV/A."""

    metrics: Mapping[str, Any]
    target: float


Progress = InitialStructuresMade | TrajectoryEnded | FramesSelected | LabelsChanged | TrainingStarted | ModelTrained
OnProgress = Callable[[int, Progress], None]
"""Called with the iteration and what happened in it."""
