"""From the walks of an iteration to its jobs: uncertain frames that differ, and control frames drawn at random.

Data flow: results of walks in the store -> `Judge` (error bars, features) -> `select_batch` -> selections with their
reasons and jobs, in one transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms

from mlpot.active_learning.config import LoopConfig
from mlpot.active_learning.exploration.trajectory import weights
from mlpot.active_learning.selection.select import Candidate, Verdict, select_batch
from mlpot.active_learning.selection.uncertainty_model import Judge
from mlpot.active_learning.store.history import SelectionRecord
from mlpot.active_learning.store.store import Store
from mlpot.data.structure import FloatArray

KEPT_VERDICTS = ("chosen", "unphysical")
"""What is worth a line in the store; the other verdicts are counted."""

MOST_POOL_ATOMS = 20_000
"""Of each element; a distance to more of them would take longer than it is worth."""


@dataclass(frozen=True, eq=False)
class Met:
    """A frame that a walk met.

    Attributes
    ----------
    structure : str
        Hash.
    walk : str
        Name of the step.
    details : mapping
        See `explore.Frame`.
    """

    structure: str
    walk: str
    details: Mapping[str, Any]


@dataclass(frozen=True)
class Batch:
    """What is to be labelled.

    Attributes
    ----------
    records : list of SelectionRecord
    structures : list of str
        Hashes, the most valuable first.
    verdicts : dict
        How many frames got which verdict.
    """

    records: list[SelectionRecord]
    structures: list[str]
    verdicts: dict[str, int]


def choose(
    store: Store, judge: Judge, config: LoopConfig, iteration: int, model: str, labelled: Sequence[Atoms]
) -> Batch:
    """Choose what is labelled of an iteration.

    Parameters
    ----------
    store : Store
    judge : Judge
    config : LoopConfig
    iteration : int
    model : str
        Hash of the model that explored.
    labelled : sequence of ase.Atoms
        Known structures.

    Returns
    -------
    Batch
    """
    met, controls = _met(store, iteration)
    control = _draw_controls(store, controls, config, iteration)
    candidates = [_candidate(store, judge, one) for one in met]
    selection = select_batch(
        candidates,
        _pool(judge, [*labelled, *(store.structure(one.structure) for one in control)]),
        config.select.batch,
        least_distance=config.select.least_distance,
        per_trajectory=config.select.per_walk,
    )
    verdicts: dict[str, int] = {}
    for verdict in selection.verdicts:
        verdicts[verdict.kind] = verdicts.get(verdict.kind, 0) + 1
    ordered = [selection.verdicts[index] for index in selection.chosen]
    ordered += [verdict for verdict in selection.verdicts if verdict.kind == "unphysical"]
    records = [_record(met[verdict.index], verdict, iteration, model) for verdict in ordered]
    chosen = [met[index].structure for index in selection.chosen]
    records += [_control_record(one, iteration, model) for one in control if one.structure not in chosen]
    return Batch(records, [one.structure_id for one in records if one.chosen], verdicts)


def _met(store: Store, iteration: int) -> tuple[list[Met], list[tuple[Met, int]]]:
    """Frames of the walks of an iteration; control frames with the looks of their walk."""
    met: list[Met] = []
    controls: list[tuple[Met, int]] = []
    known: set[str] = set()
    for step in store.progress.steps("explore"):
        if step.iteration != iteration or step.ended is None:  # begun, then `explore.walks` was lowered
            continue
        for frame in step.result["frames"]:
            if frame["structure"] not in known:
                known.add(frame["structure"])
                met.append(Met(frame["structure"], step.name, frame))
        control = step.result["control"]
        if control is not None:
            controls.append((Met(control["structure"], step.name, control), step.result["looks"]))
    return met, controls


def _draw_controls(store: Store, controls: list[tuple[Met, int]], config: LoopConfig, iteration: int) -> list[Met]:
    """Draw among the control frames of the walks, longer walks more often: a fair sample of what was met."""
    rng = np.random.default_rng([config.seed, iteration, 1])
    new = [(one, looks) for one, looks in controls if not _is_asked_for(store, one.structure, config)]
    if not new:
        return []
    looks = np.array([number for _, number in new], dtype=np.float64)
    count = min(config.select.control, len(new))
    drawn = rng.choice(len(new), count, replace=False, p=looks / looks.sum())
    return [new[index][0] for index in drawn]


def _is_asked_for(store: Store, structure: str, config: LoopConfig) -> bool:
    settings = store.add_settings(config.label.identity())
    return store.database.row(
        "SELECT 1 FROM jobs WHERE structure_id = ? AND settings_id = ?", (structure, settings)
    ) is not None  # fmt: skip


def _candidate(store: Store, judge: Judge, one: Met) -> Candidate:
    atoms = store.structure(one.structure)
    if "unphysical" in one.details:
        return Candidate(atoms, np.zeros((len(atoms), 0)), np.zeros(len(atoms)), one.walk)  # it is refused anyway
    core = one.details.get("core")
    bars = weights(judge, atoms, None if core is None else np.array(core, dtype=np.int64))
    return Candidate(atoms, judge.features(atoms), bars, one.walk)


def _pool(judge: Judge, known: Sequence[Atoms]) -> dict[int, FloatArray]:
    """Features of known atoms, by atomic number; those of the latest structures where there are too many."""
    parts: dict[int, list[FloatArray]] = {}
    for atoms in known:
        features = judge.features(atoms)
        for number in np.unique(atoms.numbers):
            parts.setdefault(int(number), []).append(features[atoms.numbers == number])
    return {number: np.concatenate(blocks)[-MOST_POOL_ATOMS:] for number, blocks in parts.items()}


def _record(one: Met, verdict: Verdict, iteration: int, model: str) -> SelectionRecord:
    details = {key: value for key, value in one.details.items() if key not in ("structure", "core")}
    details |= {"walk": one.walk, "part": "train", "kind": verdict.kind, "atom": verdict.atom}
    if np.isfinite(verdict.distance):
        details["distance"] = verdict.distance
    return SelectionRecord(one.structure, iteration, verdict.kind == "chosen", verdict.reason, details, model)


def _control_record(one: Met, iteration: int, model: str) -> SelectionRecord:
    details = {key: value for key, value in one.details.items() if key not in ("structure", "core")}
    details |= {"walk": one.walk, "part": "held_out", "kind": "control"}
    reason = "drawn at random from the explored frames: honest error and calibration, never trained on"
    return SelectionRecord(one.structure, iteration, True, reason, details, model)
