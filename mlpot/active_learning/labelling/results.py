"""Moves the result of a task into the store: label or failure, and outputs. It may be interrupted and repeated."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from mlpot.active_learning.calculation.files import read_json
from mlpot.active_learning.calculation.task import OUTPUTS, RESULT, Outcome
from mlpot.active_learning.store.records import Job, Label
from mlpot.active_learning.store.store import Store
from mlpot.errors import DataError
from mlpot.running.atomic_write import sync_folder


def collect_result(store: Store, job: Job, folder: Path) -> Outcome | None:
    """Put the result of a task into the store, then remove its folder; None without a result."""
    result = read_json(folder / RESULT)
    if result is None:
        return None
    outcome = Outcome(result["state"], result["reason"], result["values"])
    if outcome.state == "done":
        # Without outputs of its own, the label must not refer to outputs of an earlier run.
        raw_file = _keep_outputs(store, job.id, folder) if "raw_sha256" in result else None
        try:
            store.add_label(job.id, _label(result, raw_file))
        except DataError as error:
            outcome = Outcome("failed", f"the code returned invalid values: {error}", {})
    if outcome.state == "failed":
        _keep_outputs(store, job.id, folder)
        store.jobs.fail(job.id, outcome.reason, result["seconds"])
    elif outcome.state == "unusable":
        store.jobs.release(job.id, outcome.reason)
    shutil.rmtree(folder, ignore_errors=True)
    return outcome


def _label(result: dict[str, Any], raw_file: str | None) -> Label:
    values = result["values"]
    stress = values["stress"]
    return Label(
        energy=values["energy"],
        forces=np.array(values["forces"], dtype=np.float64),
        stress=None if stress is None else np.array(stress, dtype=np.float64),
        energy_kind=values["energy_kind"],
        code_version=values["code_version"],
        attempt=result["attempt"],
        seconds=result["seconds"],
        host=result["host"],
        raw_file=raw_file,
        raw_sha256=result["raw_sha256"] if raw_file else None,
    )


def _keep_outputs(store: Store, job: str, folder: Path) -> str | None:
    """Move the compressed outputs to the folder of the store, and return their name there."""
    target = store.raw_folder / job[:2] / f"{job}.tar.xz"
    if (folder / OUTPUTS).exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        (folder / OUTPUTS).replace(target)
        sync_folder(target.parent)
    return str(target.relative_to(store.raw_folder)) if target.exists() else None
