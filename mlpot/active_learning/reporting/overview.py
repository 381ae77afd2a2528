"""Course of a loop: one row for each iteration, with errors and the times of all steps."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mlpot.active_learning.store.steps import Step, StepName
from mlpot.active_learning.store.store import Store
from mlpot.active_learning.store.trajectories import TrajectoryRecord


@dataclass(frozen=True)
class IterationRow:
    """One iteration; values of steps that are not over are None or zero.

    Attributes
    ----------
    chosen, random : int
        Structures to label: for training, and random validation frames (in iteration 0 the held-out ones).
    failed : int
        Of them, calculations that failed.
    n_train : int or None
        Labels that the potential of this iteration was trained on.
    picoseconds : float
        Length of all trajectories.
    expected_fraction : float or None
        Of force errors below the target, expected in the trajectories.
    errors : mapping
        Name of a set of labels -> errors, see `train.Trained`.
    exploring, selecting, labelling, computing, learning, training : float, s
        Wall time of the steps; `computing` is the part of `labelling` in which calculations ran, earlier starts of the
        step included, and `training` that of `learning`.
    """

    iteration: int
    chosen: int
    random: int
    failed: int
    n_train: int | None
    picoseconds: float
    expected_fraction: float | None
    errors: Mapping[str, Mapping[str, Any]]
    exploring: float
    selecting: float
    labelling: float
    computing: float
    learning: float
    training: float

    @property
    def overhead(self) -> float:
        """Time (s) of everything but calculations and training."""
        between = self.labelling - self.computing
        return self.exploring + self.selecting + between + max(0.0, self.learning - self.training)

    @property
    def total(self) -> float:
        """Time (s) of all steps."""
        return self.exploring + self.selecting + self.labelling + self.learning


def iteration_rows(store: Store) -> list[IterationRow]:
    """Rows of all iterations that were begun."""
    steps = store.steps.all()
    return [_row(store, iteration, steps) for iteration in sorted({step.iteration for step in steps})]


def overhead(rows: Iterable[IterationRow]) -> float:
    """Fraction of the time of a loop that is neither calculations nor training; 0 for an empty loop."""
    rows = list(rows)
    total = sum(row.total for row in rows)
    return sum(row.overhead for row in rows) / total if total > 0.0 else 0.0


def _row(store: Store, iteration: int, steps: list[Step]) -> IterationRow:
    own = [step for step in steps if step.iteration == iteration]
    others: dict[StepName, Step] = {step.name: step for step in own if step.name != "explore"}
    explored = [step for step in own if step.name == "explore" and step.ended is not None]
    trajectories = [TrajectoryRecord.from_values(step.result) for step in explored]
    learned = others["learn"].result if "learn" in others else {}
    label = others["label"].result if "label" in others else {}
    n_checks = sum(one.n_checks for one in trajectories)
    fractions = sum(one.expected_fraction * one.n_checks for one in trajectories)
    counts = store.database.rows(
        "SELECT coalesce(sum(json_extract(details, '$.part') = 'held_out'), 0) AS random, count(*) AS chosen "
        "FROM selections WHERE chosen AND iteration = ?",
        (iteration,),
    )[0]
    computing, labelling = _labelling(store, others.get("label"))
    return IterationRow(
        iteration=iteration,
        chosen=counts["chosen"] - counts["random"],
        random=counts["random"],
        failed=int(label.get("failed", 0)),
        n_train=learned.get("n_train"),
        picoseconds=sum(one.picoseconds for one in trajectories),
        expected_fraction=fractions / n_checks if n_checks else None,
        errors={name: value for name, value in learned.items() if isinstance(value, dict)},
        exploring=sum(_seconds(step) for step in explored),
        selecting=_seconds(others.get("select")),
        labelling=labelling,
        computing=computing,
        learning=_seconds(others.get("learn")),
        training=float(learned.get("training_seconds", 0.0)),
    )


def _labelling(store: Store, step: Step | None) -> tuple[float, float]:
    """Wall times (s) of the calculations of a step, and of the step with calculations of its earlier starts."""
    if step is None or step.ended is None:
        return 0.0, 0.0
    calculations = store.database.rows(
        "SELECT ended - seconds, ended FROM runs WHERE seconds > 0 AND ended <= ?1 AND ended > "
        "(SELECT coalesce(max(ended), 0) FROM steps WHERE name = 'label' AND iteration < ?2)",
        (step.ended, step.iteration),
    )
    spans = [(float(began), float(ended)) for began, ended in calculations]
    return covered(spans), covered([*spans, (step.ended - _seconds(step), step.ended)])


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """Total length of the union of spans (begin, end), which may overlap.

    Examples
    --------
    >>> covered([(0.0, 2.0), (1.0, 3.0), (5.0, 6.0)])
    4.0
    """
    length, reached = 0.0, -math.inf
    for began, ended in sorted(spans):
        length += max(0.0, ended - max(began, reached))
        reached = max(reached, ended)
    return length


def _seconds(step: Step | None) -> float:
    return 0.0 if step is None or step.seconds is None else step.seconds
