"""Rules that end a loop: the target is reached, nothing uncertain is found, or the budget is spent.

They look at the store alone, after each iteration, so a budget that is raised lets a loop that has ended go on.
"""

from mlpot.active_learning.config import LoopConfig
from mlpot.active_learning.store.progress import Step
from mlpot.active_learning.store.store import Store


def reason_to_end(store: Store, config: LoopConfig, settings: str, iteration: int) -> str | None:
    """Say why a loop ends after an iteration.

    Parameters
    ----------
    store : Store
    config : LoopConfig
    settings : str
        Hash of the settings of labels.
    iteration : int

    Returns
    -------
    str or None
        None where it goes on.
    """
    rules = config.stop
    begun = [step for step in store.progress.steps("explore") if 0 < step.iteration <= iteration]
    walks = [step for step in begun if step.ended is not None]
    reached = _target(store, config, walks, iteration)
    if reached is not None:
        return reached
    quiet = quiet_picoseconds(walks)
    if rules.quiet_time is not None and quiet >= rules.quiet_time:
        return f"nothing uncertain was found in {quiet:.3g} ps (stop.quiet_time {rules.quiet_time:g} ps)"
    counts = store.jobs.counts(settings)
    if counts["done"] >= rules.labels:
        return f"{counts['done']} labels (stop.labels {rules.labels})"
    cost = _cost(store, settings)
    if rules.cost is not None and cost >= rules.cost:
        return f"calculations took {cost:.0f} s (stop.cost {rules.cost:.0f} s)"
    if iteration >= rules.iterations:
        return f"{iteration} iterations (stop.iterations {rules.iterations})"
    return None


def quiet_picoseconds(walks: list[Step]) -> float:
    """Time walked since the last iteration in which something uncertain was found.

    Parameters
    ----------
    walks : list of Step

    Returns
    -------
    float, ps
    """
    loud = [step.iteration for step in walks if step.result["frames"] or step.result["ended"] != "complete"]
    last = max(loud, default=0)
    return sum(float(step.result["picoseconds"]) for step in walks if step.iteration > last)


def _target(store: Store, config: LoopConfig, walks: list[Step], iteration: int) -> str | None:
    """Whether errors are small enough: as expected in the walks, and as measured on the control frames of them."""
    rules = config.stop
    latest = [step.result for step in walks if step.iteration == iteration]
    if not latest or any(result["ended"] != "complete" for result in latest):
        return None
    expected = sum(r["expected_share"] * r["looks"] for r in latest) / sum(r["looks"] for r in latest)
    learned = store.progress.result(iteration, "learn") or {}
    measured = learned.get("control_before")
    if measured is None or expected < rules.share or measured["share_below_target"] < rules.share:
        return None
    return (
        f"{100 * measured['share_below_target']:.1f} % of the force errors on new control frames are below "
        f"{rules.force_error:g} eV/A, {100 * expected:.1f} % expected in all walks (stop.share {rules.share:g})"
    )


def _cost(store: Store, settings: str) -> float:
    return store.database.number(
        "SELECT sum(a.seconds) FROM attempts a JOIN jobs j ON j.id = a.job_id WHERE j.settings_id = ?", (settings,)
    )
