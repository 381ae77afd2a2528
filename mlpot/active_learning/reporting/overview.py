"""The course of a loop, read from its store: one row an iteration, where the time went, how much is left."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mlpot.active_learning.store.progress import Step
from mlpot.active_learning.store.store import Store


@dataclass(frozen=True)
class IterationRow:
    """One iteration; what is not over yet is None or zero.

    Attributes
    ----------
    iteration : int
    chosen, control : int
        Structures whose labels were asked for: to train on, and held out.
    set_aside : int
        Of them, given up.
    n_train : int or None
        Labels that the potential of this iteration was trained on.
    picoseconds : float
        Walked.
    expected_share : float or None
        Of force errors, below the target, as expected in the walks.
    errors : mapping
        Name of a set (``fixed``, ``control_before``, ``chosen_before``, ``chosen_after``) -> what `learn.errors_of`
        found.
    exploring, selecting, labelling, computing, learning, training : float, s
        Wall time of the steps; `computing` is the part of `labelling` in which calculations ran, of earlier starts
        of the step too, `training` that of `learning`.
    """

    iteration: int
    chosen: int
    control: int
    set_aside: int
    n_train: int | None
    picoseconds: float
    expected_share: float | None
    errors: Mapping[str, Mapping[str, Any]]
    exploring: float
    selecting: float
    labelling: float
    computing: float
    learning: float
    training: float

    @property
    def overhead(self) -> float:
        """Time (s) that was neither calculation nor training."""
        between = self.labelling - self.computing
        return self.exploring + self.selecting + between + max(0.0, self.learning - self.training)

    @property
    def total(self) -> float:
        """Time (s) of all steps."""
        return self.exploring + self.selecting + self.labelling + self.learning


def iteration_rows(store: Store) -> list[IterationRow]:
    """Rows of all iterations that were begun.

    Parameters
    ----------
    store : Store

    Returns
    -------
    list of IterationRow
    """
    steps = store.progress.steps()
    return [_row(store, iteration, steps) for iteration in sorted({step.iteration for step in steps})]


def overhead(rows: Iterable[IterationRow]) -> float:
    """Part of the time of a loop that was neither calculation nor training.

    Parameters
    ----------
    rows : iterable of IterationRow

    Returns
    -------
    float
        0 where nothing was done yet.
    """
    rows = list(rows)
    total = sum(row.total for row in rows)
    return sum(row.overhead for row in rows) / total if total > 0.0 else 0.0


def _row(store: Store, iteration: int, steps: list[Step]) -> IterationRow:
    own = {step.name: step for step in steps if step.iteration == iteration}
    walks = [step for name, step in own.items() if name.startswith("explore/") and step.ended is not None]
    learned = own["learn"].result if "learn" in own else {}
    label = own["label"].result if "label" in own else {}
    looks = sum(int(step.result["looks"]) for step in walks)
    shares = sum(step.result["expected_share"] * step.result["looks"] for step in walks)
    counts = store.database.rows(
        "SELECT coalesce(sum(json_extract(details, '$.part') = 'held_out'), 0) AS control, count(*) AS asked "
        "FROM selections WHERE chosen AND iteration = ?",
        (iteration,),
    )[0]
    computing, labelling = _labelling(store, own.get("label"))
    return IterationRow(
        iteration=iteration,
        chosen=counts["asked"] - counts["control"],
        control=counts["control"],
        set_aside=int(label.get("set_aside", 0)),
        n_train=learned.get("n_train"),
        picoseconds=sum(float(step.result["picoseconds"]) for step in walks),
        expected_share=shares / looks if looks else None,
        errors={name: value for name, value in learned.items() if isinstance(value, dict)},
        exploring=sum(_seconds(step) for step in walks),
        selecting=_seconds(own.get("select")),
        labelling=labelling,
        computing=computing,
        learning=_seconds(own.get("learn")),
        training=float(learned.get("training_seconds", 0.0)),
    )


def _labelling(store: Store, step: Step | None) -> tuple[float, float]:
    """Wall times (s) of the calculations of a step and of the step, with calculations of starts that did not end it."""
    if step is None or step.ended is None:
        return 0.0, 0.0
    calculations = store.database.rows(
        "SELECT ended - seconds, ended FROM attempts WHERE seconds > 0 AND ended <= ?1 AND ended > "
        "(SELECT coalesce(max(ended), 0) FROM steps WHERE name = 'label' AND iteration < ?2)",
        (step.ended, step.iteration),
    )
    spans = [(float(began), float(ended)) for began, ended in calculations]
    return covered(spans), covered([*spans, (step.ended - _seconds(step), step.ended)])


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """Length that spans, which may overlap, cover together.

    Parameters
    ----------
    spans : iterable of (float, float)
        Begin and end.

    Returns
    -------
    float
    """
    length, reached = 0.0, -math.inf
    for began, ended in sorted(spans):
        length += max(0.0, ended - max(began, reached))
        reached = max(reached, ended)
    return length


def _seconds(step: Step | None) -> float:
    return 0.0 if step is None or step.seconds is None else step.seconds


def time_left(store: Store, settings: str) -> float | None:
    """Time that the labels asked for will take, from what the others took.

    Parameters
    ----------
    store : Store
    settings : str
        Hash.

    Returns
    -------
    float, s, or None
        None while there is no label to go by.
    """
    counts = store.jobs.counts(settings)
    left = counts["waiting"] + counts["running"]
    row = store.database.rows(
        "SELECT avg(l.seconds) FROM labels l JOIN jobs j ON j.id = l.job_id WHERE j.settings_id = ?", (settings,)
    )[0]
    return None if row[0] is None or not left else float(row[0]) * left / max(1, counts["running"])
