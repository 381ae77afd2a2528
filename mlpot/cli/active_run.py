"""`mlpot active run`: runs a loop, prints a line for each step, and how it ended."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from mlpot.active_learning.config import read_loop_config
from mlpot.active_learning.loop import LoopResult, run_loop
from mlpot.active_learning.progress import (
    FramesSelected,
    InitialStructuresMade,
    LabelsChanged,
    ModelTrained,
    Progress,
    TrainingStarted,
    TrajectoryEnded,
)
from mlpot.cli.times import duration
from mlpot.running.stopping import UNFINISHED_STATUS

ERROR_SETS = {
    "random_validation_before": "new random validation frames, before training",
    "random_validation": "explored conditions (random validation frames)",
    "chosen_before": "new chosen frames, before training",
    "validation": "held-out initial structures",
}
"""Sets of labels whose errors are printed."""


def run_command(source: Path, overrides: Sequence[str] = ()) -> int:
    """Run a loop; exit status 0, `UNFINISHED_STATUS` if it was stopped, 1 if it is halted."""
    config = read_loop_config(source, overrides)
    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    result = run_loop(config, lambda iteration, progress: console.print(f"[{iteration}] {describe(progress)}"))
    if result.halted is not None:
        console.print(f"halted: {result.halted}\nfix the cause, then continue with: mlpot active run {source}")
        return 1
    if result.stopped is not None:
        console.print(f"stopped ({result.stopped}); nothing is lost; continue with: mlpot active run {source}")
        return UNFINISHED_STATUS
    console.print("\n".join([*summary(result, config.stop.force_error), f"figure: mlpot active report {config.store}"]))
    return 0


def summary(result: LoopResult, target: float) -> Iterator[str]:
    """Lines about a loop that ended: the rule, the errors of its potential, and the file.

    Parameters
    ----------
    result : LoopResult
    target : float, eV/A
    """
    yield f"done: {result.ended}"
    found = list(_errors(result.metrics or {}, ("random_validation", "validation"), target))
    if found:
        yield f"errors of this potential: {'; '.join(found)}"
        yield (
            "the target is for the explored conditions; initial structures may be distorted more strongly than any "
            "frame of a trajectory"
        )
    yield str(result.model)


def describe(progress: Progress) -> str:
    """One line about a step of a loop."""
    match progress:
        case InitialStructuresMade():
            return f"{progress.n_structures} initial structures, {progress.n_held_out} of them held out"
        case TrajectoryEnded():
            return _trajectory(progress)
        case FramesSelected():
            counts = ", ".join(f"{number} {kind}" for kind, number in sorted(progress.decisions.items()))
            total = progress.n_chosen + progress.n_random
            return (
                f"selected {_frames(total)}, {progress.n_random} of them for random validation; uncertain frames: "
                f"{counts or 'none'}"
            )
        case LabelsChanged():
            ends = "" if progress.seconds_left is None else f", about {duration(progress.seconds_left)} left"
            ends = ends if progress.blocked is None else f"; blocked: {progress.blocked}"
            return f"labels: {progress.n_done} done, {progress.n_left} to do{ends}"
        case TrainingStarted():
            return f"training on {progress.n_train} labels, {progress.n_held_out} held out"
        case ModelTrained():
            return _training(progress)


def _trajectory(progress: TrajectoryEnded) -> str:
    done = progress.trajectory
    return (
        f"trajectory {progress.number + 1}/{progress.n_trajectories} ({done.start}): {done.picoseconds:.2f} ps, "
        f"{_frames(len(done.frames), 'uncertain ')}, {100 * done.expected_fraction:.1f} % of force errors expected "
        f"below {progress.target:g} eV/A; {done.ending}"
    )


def _frames(count: int, kind: str = "") -> str:
    return f"{count} {kind}{'frame' if count == 1 else 'frames'}"


def _training(progress: ModelTrained) -> str:
    metrics, seconds = progress.metrics, duration(progress.metrics["training_seconds"])
    done = (
        f"trained on {metrics['n_train']} labels in {seconds}"
        if metrics["retrained"]
        else f"no new labels to train on: the last potential, calibrated on {metrics['n_held_out']} held-out labels in "
        f"{seconds}"
    )
    names = ("validation", "random_validation_before", "chosen_before")
    return "; ".join([done, *_errors(metrics, names, progress.target)])


def _errors(metrics: Mapping[str, Any], names: tuple[str, ...], target: float) -> Iterator[str]:
    """Force errors on sets of labels: the same two measures for each."""
    for name in names:
        errors = metrics.get(name)
        if errors is not None:
            yield (
                f"{ERROR_SETS[name]} ({errors['n_structures']}): force RMSE {1e3 * errors['forces_rmse']:.0f} meV/A, "
                f"{100 * errors['fraction_below_target']:.1f} % below {1e3 * target:g} meV/A"
            )
