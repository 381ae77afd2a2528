"""The bench behind `mlpot ood`: each case in a folder of its own with data, model, findings and a plot."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ase.io
from ase.calculators.singlepoint import SinglePointCalculator
from rich.console import Console
from rich.table import Table

from mlpot.data import LabelledStructure, Subset, read_structures, split
from mlpot.engines.opening import open_engine
from mlpot.errors import DataError
from mlpot.ood.division import divide
from mlpot.ood.findings import Findings, compare
from mlpot.training.launch import train_command
from mlpot.training.run import MODEL_NAME
from mlpot.uncertainty.collection import collect_errors
from mlpot.uncertainty.plots import plot_reliability
from mlpot.uncertainty.quality import quality_as_dict

Structures = Sequence[LabelledStructure]
KNOWN_SHARE = 0.1
"""Share of the known kinds that is kept back to compare with; another share calibrates."""
_RESULT = "findings.json"


@dataclass(frozen=True)
class Settings:
    """What is held out and how is trained.

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


def run_ood(data: Sequence[Path], settings: Settings, output: Path, console: Console | None = None) -> dict[str, Any]:
    """Run all cases that have no findings yet; print, draw and write what came out.

    Parameters
    ----------
    data : sequence of Path
    settings : Settings
    output : Path
        Folder; `findings.json` of all cases, and a folder for each.
    console : rich.console.Console, optional

    Returns
    -------
    dict
        Case -> findings as plain data.
    """
    console = console or Console()
    structures = read_structures([str(file) for file in data], group_key=settings.group_key)
    results: dict[str, Any] = {}
    for name, known, unknown in _cases(structures, settings):
        folder = output / re.sub(r"[^\w.-]+", "_", name)
        if not (folder / _RESULT).is_file():
            findings = _run_case(name, known, unknown, settings, folder)
            (folder / _RESULT).write_text(json.dumps(_plain(findings), indent=1) + "\n", encoding="utf-8")
        results[name] = json.loads((folder / _RESULT).read_text(encoding="utf-8"))
    (output / _RESULT).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    console.print(findings_table(results))
    return results


def _cases(structures: Structures, settings: Settings) -> list[tuple[str, Structures, Structures]]:
    if settings.test is not None:
        return [(settings.test.stem, structures, read_structures(settings.test, group_key=settings.group_key))]
    cases: list[tuple[str, Structures, Structures]] = []
    for name, indices in divide(structures, settings.holdout, settings.value).items():
        rest = sorted(set(range(len(structures))).difference(indices))
        cases.append((f"{settings.holdout} {name}", Subset(structures, rest), Subset(structures, indices)))
    return cases


def _run_case(name: str, known: Structures, unknown: Structures, settings: Settings, folder: Path) -> Findings:
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
    # An interrupted case continues from the checkpoint of its training.
    resume = any((folder / "run").glob("**/checkpoint.pt"))
    if train_command(folder / "train.extxyz", {}, overrides, resume=resume, max_time=None) != 0:
        raise KeyboardInterrupt
    model = open_engine(folder / "run" / MODEL_NAME)
    usable = [
        index for index, one in enumerate(unknown) if set(one.atoms.numbers) <= set(model.manifest.atomic_numbers)
    ]
    refused = len(unknown) - len(usable)
    if not usable:
        raise DataError(f"{name}: every held-out structure has an element that the rest does not: all are refused")
    tables = {
        "known kinds": collect_errors(model, Subset(known, parts["test"])),
        "held out": collect_errors(model, Subset(unknown, usable)),
    }
    calibration = model.manifest.calibration
    if calibration is None:
        raise DataError(f"{name}: the model was not calibrated; give more data, or another data.validation")
    plot_reliability(tables, calibration.forces, folder / "reliability.png", name)
    return compare(tables["known kinds"], tables["held out"], calibration.forces, refused)


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


def findings_table(results: dict[str, Any]) -> Table:
    """Table of all cases.

    Parameters
    ----------
    results : dict
        Of `run_ood`.

    Returns
    -------
    rich.table.Table
    """
    caption = "coverage of the 90 % interval; AUROC of the worst 5 % of the atoms, and of frames held out against known"
    table = Table(title="out of distribution", caption=caption)
    columns = "case", "", "coverage", "RMSE", "sigma", "AUROC 5 %", "frames: sigma", "distance", "missed", "by both"
    for name in columns:
        table.add_column(name, justify="left" if name in ("case", "") else "right")
    for case, found in results.items():
        for kind in ("known", "unknown"):
            quality = found[kind]
            row = [f"{100 * quality['coverage']['0.9']:.1f} %"]
            row += [f"{1e3 * quality[name]:.4g}" for name in ("rmse", "mean_sigma")]
            row.append(f"{quality['auroc']:.3f}")
            if kind == "unknown":
                row += [f"{found[name]:.3f}" for name in ("frames_by_sigma", "frames_by_distance")]
                row += [f"{100 * found[name]:.1f} %" for name in ("missed_by_sigma", "missed_by_both")]
            table.add_row(case if kind == "known" else "", "known" if kind == "known" else "held out", *row)
    return table
