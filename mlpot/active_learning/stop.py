"""Rules that end a loop: the target is reached, nothing uncertain is found, or the budget is spent.

They depend on the store alone and are evaluated after each iteration, so a loop that has ended continues when a budget
is raised.
"""

from mlpot.active_learning.config import StopSettings
from mlpot.active_learning.store.store import Store
from mlpot.active_learning.store.trajectories import TrajectoryRecord

Explored = list[tuple[int, TrajectoryRecord]]
"""Iteration and record of all finished trajectories."""


def reason_to_end(store: Store, rules: StopSettings, settings: str, iteration: int) -> str | None:
    """Reason why the loop ends after an iteration, or None.

    Parameters
    ----------
    store : Store
    rules : StopSettings
    settings : str
        Hash of the settings of labels.
    iteration : int
    """
    explored = [
        (step.iteration, TrajectoryRecord.from_values(step.result))
        for step in store.steps.all("explore")
        if 0 < step.iteration <= iteration and step.ended is not None
    ]
    reached = _target(store, rules, explored, iteration)
    if reached is not None:
        return reached
    converged = converged_picoseconds(explored)
    if rules.converged_time is not None and converged >= rules.converged_time:
        return f"no uncertain frame was found in {converged:.3g} ps (stop.converged_time {rules.converged_time:g} ps)"
    counts = store.jobs.counts(settings)
    if counts["done"] >= rules.labels:
        return f"{counts['done']} labels (stop.labels {rules.labels})"
    cost = store.jobs.cost(settings)
    if rules.cost is not None and cost >= rules.cost:
        return f"calculations took {cost:.0f} s (stop.cost {rules.cost:.0f} s)"
    if iteration >= rules.iterations:
        return f"{iteration} iterations (stop.iterations {rules.iterations})"
    return None


def converged_picoseconds(explored: Explored) -> float:
    """Return the simulated time (ps) since the last iteration in which something uncertain was found."""
    found = [iteration for iteration, one in explored if one.frames or one.ending.kind != "complete"]
    last = max(found, default=0)
    return sum(one.picoseconds for iteration, one in explored if iteration > last)


def _target(store: Store, rules: StopSettings, explored: Explored, iteration: int) -> str | None:
    """Whether errors are small enough: expected ones in the trajectories, measured ones on random validation frames."""
    latest = [one for number, one in explored if number == iteration]
    if not latest or any(one.ending.kind != "complete" for one in latest):
        return None
    expected = sum(one.expected_fraction * one.n_checks for one in latest) / sum(one.n_checks for one in latest)
    learned = store.steps.result(iteration, "learn") or {}
    measured = learned.get("random_validation_before")
    if measured is None or min(expected, measured["fraction_below_target"]) < rules.target_fraction:
        return None
    fraction, count = measured["fraction_below_target"], measured["n_structures"]
    return (
        f"target reached: {100 * fraction:.1f} % of the force errors on {count} new random validation frames are below "
        f"{rules.force_error:g} eV/A, {100 * expected:.1f} % are expected in all trajectories (stop.target_fraction "
        f"{rules.target_fraction:g})"
    )
