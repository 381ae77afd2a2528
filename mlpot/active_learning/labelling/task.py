"""The folder of one calculation: what is to be done, the outputs of each rung, and the result.

task.json       structure and settings, written by the driver
begun           written by the job of a cluster that does the task: no other one may
rung-0/ ...     where the code runs; outcome.json is what came out of the rung
outputs.tar.xz  the rungs, compressed
result.json     renamed into place when all else is on the disk: the calculation is over
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from ase import Atoms

from mlpot.active_learning.labelling.files import read_json, write_json
from mlpot.active_learning.settings import LabelSettings
from mlpot.errors import LabelError

TASK, RESULT, OUTCOME, OUTPUTS = "task.json", "result.json", "outcome.json", "outputs.tar.xz"
BEGUN = "begun"
State = Literal["done", "failed", "unusable"]


@dataclass(frozen=True)
class Task:
    """A calculation to be done.

    Attributes
    ----------
    atoms : ase.Atoms
    settings : LabelSettings
    """

    atoms: Atoms
    settings: LabelSettings


@dataclass(frozen=True)
class Outcome:
    """What came out of one rung of the ladder, or of a task.

    Attributes
    ----------
    state : str
        ``done``; ``failed``: the next rung may succeed; ``unusable``: the code is not there or refuses its input
        in a way that no structure will mend.
    reason : str
        Empty where it is done.
    values : mapping
        Energy, forces, ...
    """

    state: State
    reason: str
    values: Mapping[str, Any]


def write_task(folder: Path, task: Task) -> None:
    """Make the folder of a task.

    Parameters
    ----------
    folder : Path
    task : Task
    """
    folder.mkdir(parents=True, exist_ok=True)
    atoms = task.atoms
    arrays = {name: array.tolist() for name, array in atoms.arrays.items()}
    structure = {"arrays": arrays, "cell": atoms.cell.array.tolist(), "pbc": atoms.pbc.tolist()}
    write_json(folder / TASK, {"structure": structure, "settings": task.settings.model_dump(mode="json")})


def read_task(folder: Path) -> Task:
    """Read `write_task`.

    Raises
    ------
    LabelError
        No task there, or one that is damaged.
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
    """Write what came out of a rung."""
    write_json(path, {"state": outcome.state, "reason": outcome.reason, "values": dict(outcome.values)})


def read_outcome(path: Path) -> Outcome | None:
    """Read `write_outcome`; None where there is nothing."""
    content = read_json(path)
    return None if content is None else Outcome(content["state"], content["reason"], content["values"])


def token(folder: Path) -> str:
    """Name of a task in the environment of all its processes."""
    return os.path.abspath(folder)
