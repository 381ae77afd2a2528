"""From a result file into the store: labels, failures, raw outputs. Safe to be interrupted and done again."""

import json
import shutil
from pathlib import Path

import numpy as np

from mlpot.active_learning.labelling.files import read_json, sync_folder
from mlpot.active_learning.labelling.task import OUTPUTS, RESULT, Outcome
from mlpot.active_learning.store.records import Job, Label
from mlpot.active_learning.store.store import Store
from mlpot.errors import DataError


def take_in(store: Store, job: Job, folder: Path) -> Outcome | None:
    """Put the result of a task into the store, then remove its folder.

    Parameters
    ----------
    store : Store
    job : Job
    folder : Path

    Returns
    -------
    Outcome or None
        None where there is no result.
    """
    result = read_json(folder / RESULT)
    if result is None:
        return None
    outcome = Outcome(result["state"], result["reason"], result["values"])
    if outcome.state == "done":
        # Without outputs of its own, what an earlier attempt left there is not this label's.
        raw_file = _keep_outputs(store, job.id, folder) if "raw_sha256" in result else None
        try:
            store.add_label(job.id, _label(result, raw_file))
        except DataError as error:
            outcome = Outcome("failed", f"the code returned garbage: {error}", {})
    if outcome.state == "failed":
        _keep_outputs(store, job.id, folder)
        store.jobs.set_aside(job.id, outcome.reason, result["seconds"])
    elif outcome.state == "unusable":
        store.jobs.give_back(job.id, outcome.reason)
    shutil.rmtree(folder, ignore_errors=True)
    return outcome


def _label(result: dict[str, object], raw_file: str | None) -> Label:
    values = json.loads(json.dumps(result["values"]))
    stress = values["stress"]
    return Label(
        energy=values["energy"],
        forces=np.array(values["forces"], dtype=np.float64),
        stress=None if stress is None else np.array(stress, dtype=np.float64),
        energy_kind=values["energy_kind"],
        code_version=values["code_version"],
        rung=int(str(result["rung"])),
        seconds=float(str(result["seconds"])),
        host=str(result["host"]),
        raw_file=raw_file,
        raw_sha256=str(result["raw_sha256"]) if raw_file else None,
    )


def _keep_outputs(store: Store, job: str, folder: Path) -> str | None:
    """Move the compressed outputs beside the store; their name there."""
    target = store.raw_folder / job[:2] / f"{job}.tar.xz"
    if (folder / OUTPUTS).exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        (folder / OUTPUTS).replace(target)
        sync_folder(target.parent)
    return str(target.relative_to(store.raw_folder)) if target.exists() else None
