"""Folder of one calculation: the task, the outputs of each attempt, and the result.

task.json       structure and settings, written by the driver
begun           written by the cluster job that performs the task, so that no other one does
attempt-0/ ...  folders in which the code runs, with outcome.json
outputs.tar.xz  the attempts, compressed
result.json     renamed into place when everything else is on the disk: the calculation is over
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from ase import Atoms

from mlpot.active_learning.calculation.files import read_json, write_json
from mlpot.active_learning.config import LabelSettings
from mlpot.errors import LabelError

TASK, RESULT, OUTCOME, OUTPUTS = "task.json", "result.json", "outcome.json", "outputs.tar.xz"
BEGUN = "begun"
State = Literal["done", "failed", "unusable"]


@dataclass(frozen=True)
class Task:
    """Structure and settings of a calculation."""

    atoms: Atoms
    settings: LabelSettings


@dataclass(frozen=True)
class Outcome:
    """Outcome of one attempt, or of a task.

    Attributes
    ----------
    state : str
        ``done``; ``failed``: fallback settings may succeed; ``unusable``: the code is not installed, or rejects its
        input for any structure.
    reason : str
        Empty for ``done``.
    values : mapping
        Energy, forces, ...
    """

    state: State
    reason: str
    values: Mapping[str, Any]


def write_task(folder: Path, task: Task) -> None:
    """Make the folder of a task."""
    folder.mkdir(parents=True, exist_ok=True)
    atoms = task.atoms
    arrays = {name: array.tolist() for name, array in atoms.arrays.items()}
    structure = {"arrays": arrays, "cell": atoms.cell.array.tolist(), "pbc": atoms.pbc.tolist()}
    write_json(folder / TASK, {"structure": structure, "settings": task.settings.model_dump(mode="json")})


def read_task(folder: Path) -> Task:
    """Read a task from its folder.

    Raises
    ------
    LabelError
        A task that is missing or damaged.
    """
    content = read_json(folder / TASK)
    if content is None:
        raise LabelError(f"{folder} holds no task")
    arrays = {name: np.array(values) for name, values in content["structure"]["arrays"].items()}
    atoms = Atoms(
        numbers=arrays.pop("numbers"),
        positions=arrays.pop("positions"),
        cell=content["structure"]["cell"],
        pbc=content["structure"]["pbc"],
    )
    for name, values in arrays.items():
        atoms.set_array(name, values)
    return Task(atoms, LabelSettings.model_validate(content["settings"]))


def write_outcome(path: Path, outcome: Outcome) -> None:
    """Write the outcome of an attempt."""
    write_json(path, {"state": outcome.state, "reason": outcome.reason, "values": dict(outcome.values)})


def read_outcome(path: Path) -> Outcome | None:
    """Read the outcome of an attempt; None if there is none."""
    content = read_json(path)
    return None if content is None else Outcome(content["state"], content["reason"], content["values"])


def token(folder: Path) -> str:
    """Value that marks the processes of a task, in their environment."""
    return os.path.abspath(folder)
