"""Selects the frames of an iteration that are labelled: uncertain and different ones, and random validation frames.

Data flow: trajectories in the store -> `UncertaintyModel` (force intervals, features) -> `select_batch` -> selections
with their reasons, and structures to label.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms

from mlpot.active_learning.config import SelectSettings
from mlpot.active_learning.selection.greedy import Candidate, Decision, select_batch
from mlpot.active_learning.selection.uncertainty_model import UncertaintyModel
from mlpot.active_learning.store.history import SelectionRecord
from mlpot.active_learning.store.store import Store
from mlpot.active_learning.store.trajectories import FrameRecord, TrajectoryRecord
from mlpot.data.structure import FloatArray

MAX_POOL_ATOMS = 20_000
"""Labelled atoms of each element to which distances are computed."""


@dataclass(frozen=True, eq=False)
class ExploredFrame:
    """A frame of a trajectory of this iteration.

    Attributes
    ----------
    structure : str
        Hash.
    trajectory : int
        Its number.
    details : mapping
        See `FrameRecord`.
    """

    structure: str
    trajectory: int
    details: Mapping[str, Any]


@dataclass(frozen=True)
class Batch:
    """Frames to label.

    Attributes
    ----------
    records : list of SelectionRecord
        Chosen and unphysical frames.
    structures : list of str
        Hashes of the chosen ones, the largest gain first, random validation frames last.
    decisions : dict
        Number of frames with each decision.
    """

    records: list[SelectionRecord]
    structures: list[str]
    decisions: dict[str, int]

    @property
    def n_random(self) -> int:
        """Number of random validation frames."""
        return sum(one.details["part"] == "held_out" for one in self.records)


def select_frames(
    store: Store,
    model: UncertaintyModel,
    settings: SelectSettings,
    *,
    iteration: int,
    model_id: str,
    labels: str,
    labelled: Sequence[Atoms],
    seed: int,
) -> Batch:
    """Select the frames of an iteration that are labelled; nothing is written.

    Parameters
    ----------
    store : Store
    model : UncertaintyModel
    settings : SelectSettings
    iteration : int
    model_id : str
        Hash of the model that explored.
    labels : str
        Hash of the settings of labels.
    labelled : sequence of ase.Atoms
        Labelled structures.
    seed : int
        Of the loop.
    """
    frames, random_frames = _explored(store, iteration)
    validation = _draw(store, random_frames, settings.random_validation, labels, [seed, iteration, 1])
    candidates = [_candidate(store, model, frame) for frame in frames]
    selection = select_batch(
        candidates,
        _pool(model, [*labelled, *(store.structure(one.structure) for one in validation)]),
        settings.batch,
        min_distance=settings.min_distance,
        per_trajectory=settings.per_trajectory,
    )
    decisions = Counter(decision.kind for decision in selection.decisions)
    kept = [selection.decisions[index] for index in selection.chosen]
    kept += [decision for decision in selection.decisions if decision.kind == "unphysical"]
    records = [_record(frames[decision.index], decision, iteration, model_id) for decision in kept]
    chosen = {frames[index].structure for index in selection.chosen}
    records += [_random_record(one, iteration, model_id) for one in validation if one.structure not in chosen]
    return Batch(records, [one.structure_id for one in records if one.chosen], dict(decisions))


def _explored(store: Store, iteration: int) -> tuple[list[ExploredFrame], list[tuple[ExploredFrame, int]]]:
    """Uncertain frames of an iteration, each once, and the random frames with the number of checks behind each."""
    frames: dict[str, ExploredFrame] = {}
    random_frames: list[tuple[ExploredFrame, int]] = []
    for step in store.steps.all("explore"):
        if step.iteration != iteration or step.ended is None:  # `explore.trajectories` was lowered during a trajectory
            continue
        trajectory = TrajectoryRecord.from_values(step.result)

        def explored(frame: FrameRecord, number: int = step.number) -> ExploredFrame:
            return ExploredFrame(frame.structure, number, frame.details)

        for frame in trajectory.frames:
            frames.setdefault(frame.structure, explored(frame))
        if trajectory.random_frame is not None:
            random_frames.append((explored(trajectory.random_frame), trajectory.n_checks))
    return list(frames.values()), random_frames


def _draw(
    store: Store, frames: list[tuple[ExploredFrame, int]], count: int, labels: str, seed: list[int]
) -> list[ExploredFrame]:
    """Draw random validation frames, weighted with the checks of their trajectories: a fair sample of all checks."""
    rng = np.random.default_rng(seed)
    new = [(one, n_checks) for one, n_checks in frames if not store.jobs.exists(one.structure, labels)]
    if not new:
        return []
    weights = np.array([n_checks for _, n_checks in new], dtype=np.float64)
    drawn = rng.choice(len(new), min(count, len(new)), replace=False, p=weights / weights.sum())
    return [new[index][0] for index in drawn]


def _candidate(store: Store, model: UncertaintyModel, frame: ExploredFrame) -> Candidate:
    atoms = store.structure(frame.structure)
    name = f"trajectory {frame.trajectory}"
    if "unphysical" in frame.details:
        return Candidate(atoms, np.zeros((len(atoms), 0)), np.zeros(len(atoms)), name)
    core = frame.details.get("core")
    intervals = model.force_intervals(atoms, None if core is None else np.array(core, dtype=np.int64))
    return Candidate(atoms, model.features(atoms), intervals, name)


def _pool(model: UncertaintyModel, labelled: Sequence[Atoms]) -> dict[int, FloatArray]:
    """Features of labelled atoms, by atomic number; the latest `MAX_POOL_ATOMS` of each element."""
    parts: dict[int, list[FloatArray]] = {}
    for atoms in labelled:
        features = model.features(atoms)
        for number in np.unique(atoms.numbers):
            parts.setdefault(int(number), []).append(features[atoms.numbers == number])
    return {number: np.concatenate(blocks)[-MAX_POOL_ATOMS:] for number, blocks in parts.items()}


def _record(frame: ExploredFrame, decision: Decision, iteration: int, model_id: str) -> SelectionRecord:
    details = _details(frame) | {"part": "train", "kind": decision.kind, "atom": decision.atom}
    if np.isfinite(decision.distance):
        details["distance"] = decision.distance
    return SelectionRecord(frame.structure, iteration, decision.kind == "chosen", decision.reason, details, model_id)


def _random_record(frame: ExploredFrame, iteration: int, model_id: str) -> SelectionRecord:
    details = _details(frame) | {"part": "held_out", "kind": "random_validation"}
    reason = "drawn at random from the explored frames: validation and calibration, never trained on"
    return SelectionRecord(frame.structure, iteration, True, reason, details, model_id)


def _details(frame: ExploredFrame) -> dict[str, Any]:
    return {key: value for key, value in frame.details.items() if key != "core"} | {"trajectory": frame.trajectory}
