"""Advance many jobs together and keep what may enter the training set."""

from collections.abc import Callable

import numpy as np
from ase import Atoms

from universal_set.recipes import Ask, Label
from universal_set.shards import Labelled, rounded
from universal_set.structures import Job

LARGEST_FORCE = 80.0  # eV/A
LARGEST_ENERGY = 60.0  # eV/atom


def usable(label: Label) -> bool:
    """Whether a label is finite and not too violent."""
    numbers = np.concatenate([[label.energy / len(label.forces)], label.forces.ravel(), label.stress.ravel()])
    if not np.isfinite(numbers).all():
        return False
    return np.linalg.norm(label.forces, axis=1).max() <= LARGEST_FORCE and abs(numbers[0]) <= LARGEST_ENERGY


def label_jobs(
    jobs: dict[int, Job], teacher: Callable[[list[Atoms]], list[Label]], allows: Callable[[Atoms], bool]
) -> list[Labelled]:
    """Labels of all structures of `jobs` that are usable and whose formula is allowed, in the order of the jobs.

    A job ends with the first structure of its path that is not usable.
    """
    asks = {index: next(job.recipe) for index, job in jobs.items()}
    frames: dict[int, list[Labelled]] = {index: [] for index in jobs}
    while asks:
        asks = {index: _rounded(ask) for index, ask in asks.items()}
        labels = iter(teacher([atoms for ask in asks.values() for atoms in ask.structures]))
        answers = {index: [next(labels) for _ in ask.structures] for index, ask in asks.items()}
        for index, ask in asks.items():
            frames[index] += _kept(jobs[index], index, len(frames[index]), ask, answers[index], allows)
        asks = _next_asks(jobs, answers)
    return [frame for index in sorted(frames) for frame in frames[index]]


def _rounded(ask: Ask) -> Ask:
    """Round structures as shards do, so that the labels are those of the structures as written."""
    return ask._replace(structures=[rounded(atoms) for atoms in ask.structures])


def _kept(
    job: Job, index: int, n_before: int, ask: Ask, labels: list[Label], allows: Callable[[Atoms], bool]
) -> list[Labelled]:
    """Frames of one answer that may enter the training set."""
    if not ask.keep:
        return []
    good = [pair for pair in zip(ask.structures, labels, strict=True) if usable(pair[1]) and allows(pair[0])]
    return [Labelled(atoms, label, job.kind, job.source, index, n_before + n) for n, (atoms, label) in enumerate(good)]


def _next_asks(jobs: dict[int, Job], answers: dict[int, list[Label]]) -> dict[int, Ask]:
    """Hand the answers to their jobs; what those that go on ask next."""
    asks: dict[int, Ask] = {}
    for index, labels in answers.items():
        if not all(usable(label) for label in labels):
            jobs[index].recipe.close()
            continue
        try:
            asks[index] = jobs[index].recipe.send(labels)
        except StopIteration:
            continue
    return asks
