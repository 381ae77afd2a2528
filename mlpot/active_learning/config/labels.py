"""Sections `label` and `executor`: how labels are computed, and where.

`LabelSettings.identity` is the part that determines the numbers, and with them the hash of every job. Everything else
(fallback settings, time limits, commands) may change from run to run without a label being computed again.
"""

import copy
import hashlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from mlpot.config import Duration, StrictModel
from mlpot.config.yaml import merge
from mlpot.model_file.registry import find_potential

CODES = ("gpaw", "espresso", "cp2k", "vasp", "emt", "mlpot")


class LabelSettings(StrictModel):
    """Which code computes labels, and what happens when a calculation fails."""

    renamed_keys: ClassVar = {"ladder": "fallback_settings", "max_losses": "max_restarts"}

    code: str = Field(
        description=f"{', '.join(CODES)}, or module:factory, a function that returns an ASE calculator",
        examples=["gpaw"],
    )
    parameters: dict[str, Any] = Field(
        {}, description="parameters of the code, as its ASE calculator takes them; they determine the labels"
    )
    fallback_settings: list[dict[str, Any]] = Field(
        [],
        description="for calculations that fail: changes of `parameters`, tried one after another, such as slower "
        "mixing; they must lead to the same numbers",
    )
    stress: bool = Field(True, description="compute stress of structures that are periodic in three directions")
    command: str | None = Field(None, description="command that runs the code (espresso, cp2k, vasp); null: default")
    launcher: list[str] = Field(
        [],
        description="command that runs Python for a calculation, e.g. [mpiexec, -n, '4', gpaw, python]; "
        "empty: this Python",
    )
    threads: int = Field(1, ge=1, description="OMP_, OPENBLAS_ and MKL_NUM_THREADS of each calculation")
    time_limit: Duration = Field(86400.0, description="of each attempt (seconds, or 6h)")
    largest_force: float = Field(100.0, gt=0.0, description="labels with a larger force (eV/A) count as failed")
    max_restarts: int = Field(5, ge=1, description="a job fails when its worker has died this many times")
    failures_in_row: int = Field(10, ge=1, description="the run halts when this many jobs in a row have failed")
    check_every: int = Field(50, ge=0, description="labels between two checks of a reference structure; 0: never")
    check_tolerance: float = Field(1e-3, gt=0.0, description="difference (eV/atom) at which a check halts the run")
    keep_outputs: bool = Field(True, description="keep the output files of the code, compressed")
    largest_output: float = Field(50.0, gt=0.0, description="MB; larger files (wave functions) are not kept")

    @field_validator("code")
    @classmethod
    def _known_code(cls, code: str) -> str:
        module, colon, factory = code.partition(":")
        if code not in CODES and not (colon and module and factory.isidentifier()):
            raise ValueError(f"expected one of {', '.join(CODES)}, or module:factory, got {code!r}")
        return code

    @field_validator("parameters", "fallback_settings")
    @classmethod
    def _plain(cls, value: Any) -> Any:  # noqa: ANN401  # of two fields
        _refuse_what_json_changes(value, "")
        return value

    @model_validator(mode="after")
    def _model_of_mlpot(self) -> "LabelSettings":
        if self.code == "mlpot" and not isinstance(self.parameters.get("model"), str):
            raise ValueError("code mlpot requires parameters: {model: path of a model.pt, or name of a potential}")
        return self

    def in_folder(self, folder: Path) -> "LabelSettings":
        """Return the settings with the absolute path of a model file, which calculations in other folders need."""
        if self.code != "mlpot" or not (model := folder / Path(self.parameters["model"]).expanduser()).is_file():
            return self
        return self.model_copy(update={"parameters": {**self.parameters, "model": str(model)}})

    def identity(self) -> dict[str, Any]:
        """Plain values of everything that determines a label; a model is represented by the hash of its file.

        Raises
        ------
        ModelFileError
            Code mlpot, and the model does not exist.
        """
        content: dict[str, Any] = {"code": self.code, "parameters": copy.deepcopy(self.parameters)}
        if self.code == "mlpot":
            model = find_potential(self.parameters["model"])
            content["parameters"]["model"] = hashlib.sha256(Path(model).read_bytes()).hexdigest()
        return content

    def attempts(self) -> list[dict[str, Any]]:
        """Parameters of all attempts: `parameters` first, then with each of the fallback settings merged in."""
        attempts = [copy.deepcopy(self.parameters)]
        for changes in self.fallback_settings:
            changed = copy.deepcopy(self.parameters)
            merge(changed, changes)
            attempts.append(changed)
        return attempts


class ExecutorSettings(StrictModel):
    """Where calculations run."""

    kind: Literal["local", "slurm"] = Field(
        "local", description="local: processes on this machine; slurm: jobs of a cluster"
    )
    workers: int = Field(1, ge=1, description="calculations at the same time (slurm: jobs in the queue)")
    cores: int = Field(1, ge=1, description="slurm: tasks (--ntasks) of each job")
    run_time: Duration | None = Field(None, description="slurm: time limit of a job; null: that of the partition")
    partition: str | None = Field(None, description="slurm: partition; null: the default one")
    options: list[str] = Field([], description="slurm: further options of sbatch, such as [--account=x, --mem=4G]")


def _refuse_what_json_changes(value: object, place: str) -> None:
    """Raise where a value would change on its way through JSON, in the store and in task files."""
    if isinstance(value, Mapping):
        for key, entry in value.items():
            inside = f"{place}.{key}".lstrip(".")
            if not isinstance(key, str):
                raise ValueError(f"{inside}: expected a key that is text, got {key!r}: write '{key}', in quotes")
            _refuse_what_json_changes(entry, inside)
    elif isinstance(value, list | tuple):
        for index, entry in enumerate(value):
            _refuse_what_json_changes(entry, f"{place}.{index}".lstrip("."))
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{place}: expected a finite number, got {value}: write one, or leave the entry out")
    elif value is not None and not isinstance(value, bool | int | float | str):
        raise ValueError(
            f"{place}: expected text, a number, true, false, null, a list or a mapping, got the "
            f"{type(value).__name__} {value}: write '{value}', in quotes"
        )
