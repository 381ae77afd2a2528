"""Benchmark of `mlpot ood`: each case in a folder of its own with data, model, findings and a plot."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ase.io
from ase.calculators.singlepoint import SinglePointCalculator

from mlpot.config import TrainConfig
from mlpot.config.train_file import read_train_config
from mlpot.data import LabelledStructure, Subset, read_structures, split
from mlpot.engines.opening import open_engine
from mlpot.errors import DataError
from mlpot.ood.division import divide
from mlpot.ood.findings import Findings, compare
from mlpot.running.outputs import check_output_folder
from mlpot.training.committee.members import train_members
from mlpot.training.observer import TrainingObserver
from mlpot.training.run import train
from mlpot.uncertainty.collection import collect_errors
from mlpot.uncertainty.plots import plot_reliability
from mlpot.uncertainty.quality import quality_as_dict

Structures = Sequence[LabelledStructure]
KNOWN_SHARE = 0.1
"""Fraction of the structures of known kinds that is a test set; as many are the validation set of the calibration."""
_RESULT = "findings.json"


@dataclass(frozen=True)
class Settings:
    """What is held out, and settings of the training.

    Attributes
    ----------
    holdout, value : str
        As of `division.divide`.
    test : Path or None
        Structures of another kind, instead of a part of the data.
    preset, kind, members
        Of the committee.
    group_key : str
    overrides : tuple of str
        ``section.key=value`` of the training.
    """

    holdout: str = ""
    value: str | None = None
    test: Path | None = None
    preset: str = "accurate"
    kind: str = "shallow"
    members: int = 8
    group_key: str = "config_type"
    overrides: tuple[str, ...] = ()


def run_ood(
    data: Sequence[Path], settings: Settings, output: Path, observer: TrainingObserver | None = None
) -> dict[str, Any]:
    """Run all cases without findings; plot and write the findings of all.

    Parameters
    ----------
    data : sequence of Path
    settings : Settings
    output : Path
        Folder; `findings.json` of all cases, and a folder for each.
    observer : TrainingObserver, optional
        Of the training of each case.

    Returns
    -------
    dict
        Case -> findings as plain data.

    Raises
    ------
    KeyboardInterrupt
        The training of a case was stopped; the next call continues it.
    """
    check_output_folder(output)
    structures = read_structures([str(file) for file in data], group_key=settings.group_key)
    results: dict[str, Any] = {}
    for name, known, unknown in _cases(structures, settings):
        folder = output / re.sub(r"[^\w.-]+", "_", name)
        if not (folder / _RESULT).is_file():
            findings = _run_case(name, known, unknown, settings, folder, observer)
            (folder / _RESULT).write_text(json.dumps(_plain(findings), indent=1) + "\n", encoding="utf-8")
        results[name] = json.loads((folder / _RESULT).read_text(encoding="utf-8"))
    (output / _RESULT).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return results


def _cases(structures: Structures, settings: Settings) -> list[tuple[str, Structures, Structures]]:
    if settings.test is not None:
        return [(settings.test.stem, structures, read_structures(settings.test, group_key=settings.group_key))]
    cases: list[tuple[str, Structures, Structures]] = []
    for name, indices in divide(structures, settings.holdout, settings.value).items():
        rest = sorted(set(range(len(structures))).difference(indices))
        cases.append((f"{settings.holdout} {name}", Subset(structures, rest), Subset(structures, indices)))
    return cases


def _run_case(
    name: str,
    known: Structures,
    unknown: Structures,
    settings: Settings,
    folder: Path,
    observer: TrainingObserver | None,
) -> Findings:
    folder.mkdir(parents=True, exist_ok=True)
    parts = split(known, {"train": 1.0 - KNOWN_SHARE, "test": KNOWN_SHARE}, seed=1)
    _write(Subset(known, parts["train"]), folder / "train.extxyz")
    overrides = [
        f"model.preset={settings.preset}",
        f"training.committee={{kind: {settings.kind}, members: {settings.members}}}",
        f"data.validation={KNOWN_SHARE / (1.0 - KNOWN_SHARE):.4f}",
        f"run.output={folder / 'run'}",
        *settings.overrides,
    ]
    model = open_engine(_train(read_train_config(folder / "train.extxyz", overrides), observer))
    usable = [
        index for index, one in enumerate(unknown) if set(one.atoms.numbers) <= set(model.manifest.atomic_numbers)
    ]
    refused = len(unknown) - len(usable)
    if not usable:
        raise DataError(f"{name}: every held-out structure has an element that is not in the rest of the data")
    tables = {
        "known kinds": collect_errors(model, Subset(known, parts["test"])),
        "held out": collect_errors(model, Subset(unknown, usable)),
    }
    calibration = model.manifest.calibration
    if calibration is None:
        raise DataError(f"{name}: the model is not calibrated: give more data, or another data.validation")
    plot_reliability(tables, calibration.forces, folder / "reliability.png", name)
    return compare(tables["known kinds"], tables["held out"], calibration.forces, refused)


def _train(config: TrainConfig, observer: TrainingObserver | None) -> Path:
    """Model of a run, which continues from its checkpoints if it was interrupted."""
    resume = any(config.run.output.glob("**/checkpoint.pt"))
    committee = config.training.committee
    if committee is not None and committee.kind == "deep":
        model = train_members(config, resume=resume, observer=observer)
    else:
        result = train(config, resume=resume, observer=observer)
        model = result.model if result.stopped is None else None
    if model is None:
        raise KeyboardInterrupt
    return model


def _write(structures: Structures, path: Path) -> None:
    frames = []
    for structure in structures:
        atoms = structure.atoms.copy()
        atoms.info = {"config_type": structure.config_type}
        labels = {"energy": structure.energy, "forces": structure.forces, "stress": structure.stress}
        atoms.calc = SinglePointCalculator(atoms, **{key: value for key, value in labels.items() if value is not None})
        frames.append(atoms)
    ase.io.write(path, frames, format="extxyz")


def _plain(findings: Findings) -> dict[str, Any]:
    qualities = {name: quality_as_dict(getattr(findings, name)) for name in ("known", "unknown")}
    return {**vars(findings), **qualities}
