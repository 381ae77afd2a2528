"""From the labels of a loop to its next potential: training, committee, calibration, and the honest errors.

Data flow: labels in the store -> extended XYZ, training and held-out part -> `mlpot.training` (resumed after a kill)
-> shallow committee -> calibrated on the held-out part -> `model.pt`. What is measured: errors on the held-out part
of the first structures, which stays the same, and on the newest labels before they are learned.
"""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ase.io
import numpy as np

from mlpot.active_learning.config import LoopConfig
from mlpot.active_learning.selection.uncertainty_model import LEVEL
from mlpot.active_learning.store.export import labelled_atoms
from mlpot.active_learning.store.records import LabelledJob
from mlpot.active_learning.store.store import Store
from mlpot.config import DataConfig, OptimizationConfig, RunConfig, TrainConfig
from mlpot.data import LabelledStructure, read_structures
from mlpot.engines.opening import open_engine
from mlpot.errors import DataError
from mlpot.model_file.bundle import ModelBundle
from mlpot.model_file.manifest import read_manifest
from mlpot.training import train
from mlpot.training.checkpoint import CHECKPOINT_NAME
from mlpot.training.committee.assemble import attach
from mlpot.uncertainty.collection import collect_errors
from mlpot.uncertainty.error_bars import add_error_bars
from mlpot.uncertainty.quality import free_atoms, sigmas

MOST_POINTS = 400
"""Pairs of error bar and error that are kept of an iteration, for the report."""


@dataclass(frozen=True, eq=False)
class Parts:
    """Labels of a loop.

    Attributes
    ----------
    train : list of LabelledJob
    held_out : list of LabelledJob
        Never trained on: part of the first structures, and all control frames.
    """

    train: list[LabelledJob]
    held_out: list[LabelledJob]


def parts_until(store: Store, settings: str, iteration: int) -> Parts:
    """Divide the labels of all iterations so far, in an order that does not depend on when they came in.

    Parameters
    ----------
    store : Store
    settings : str
    iteration : int

    Returns
    -------
    Parts
    """
    labels = [one for one in store.labelled(settings) if one.job.iteration <= iteration]
    labels.sort(key=lambda one: (one.job.iteration, one.job.id))
    return Parts(
        [one for one in labels if not one.held_out],
        [one for one in labels if one.held_out],
    )


@dataclass(frozen=True)
class Learned:
    """A new potential.

    Attributes
    ----------
    model : Path or None
        None where the training was stopped before its end; it goes on the next time.
    metrics : dict
    """

    model: Path | None
    metrics: dict[str, Any]


def learn(
    store: Store, config: LoopConfig, parts: Parts, iteration: int, previous: Path | None, max_time: float | None
) -> Learned:
    """Train, attach a committee, calibrate, measure.

    Parameters
    ----------
    store : Store
    config : LoopConfig
    parts : Parts
    iteration : int
    previous : Path or None
        Potential of the iteration before.
    max_time : float, s, or None
        For the training.

    Returns
    -------
    Learned

    Raises
    ------
    DataError
        Too few labels.
    """
    if not parts.train or not parts.held_out:
        raise DataError(
            f"{len(parts.train)} labels to train on and {len(parts.held_out)} held out, expected at least one of "
            "each: `mlpot active query --state set_aside` tells why others have none; mend that, let them wait again "
            f"with `mlpot active retry {store.path}`, and start again"
        )
    folder = store.model_folder
    folder.mkdir(parents=True, exist_ok=True)
    files = _write_parts(folder / f"{iteration:04d}.data", parts)
    target = folder / f"{iteration:04d}.pt"
    honest = {} if previous is None else _honest_errors(previous, parts, iteration, config.stop.force_error)
    began = time.monotonic()
    new = [one for one in parts.train if one.job.iteration == iteration]
    if previous is not None and not new:
        bundle = add_error_bars(ModelBundle.read(previous), read_structures(files[0]), read_structures(files[1]))
    else:
        trained = _train(config, files, folder / f"{iteration:04d}.run", previous, max_time)
        if trained is None:
            return Learned(None, {})
        labelled = read_structures(files[0]), read_structures(files[1])
        bundle = attach(ModelBundle.read(trained), *labelled, config.learn.members)
    bundle.save(target)
    seconds = time.monotonic() - began
    metrics = _metrics(target, parts, iteration, config.stop.force_error) | honest
    return Learned(target, metrics | {"training_seconds": seconds, "n_train": len(parts.train)})


def _write_parts(folder: Path, parts: Parts) -> tuple[Path, Path]:
    folder.mkdir(exist_ok=True)
    files = folder / "train.extxyz", folder / "held_out.extxyz"
    for path, part in zip(files, (parts.train, parts.held_out), strict=True):
        ase.io.write(path, [labelled_atoms(one) for one in part], format="extxyz")
    return files


def _train(
    config: LoopConfig, files: tuple[Path, Path], folder: Path, previous: Path | None, max_time: float | None
) -> Path | None:
    training = _training(config, previous, read_structures(files[0]))
    full = TrainConfig(
        data=DataConfig(train=[files[0]], validation=[files[1]], reference_energies=config.learn.reference_energies),
        model=config.learn.model,
        loss=config.learn.loss,
        training=training,
        run=RunConfig(output=folder, device="cpu", threads=config.threads, validate_every=20, plots=False),
    )
    # Settings that were edited since a kill make another run: a begun one is only gone on with as it was.
    name = hashlib.sha256(json.dumps(full.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()[:8]
    full = full.model_copy(update={"run": full.run.model_copy(update={"output": folder / name})})
    resume = (folder / name / CHECKPOINT_NAME).exists()
    result = train(full, resume=resume, max_time=max_time)
    return None if result.stopped is not None else result.model


def _training(config: LoopConfig, previous: Path | None, structures: Sequence[LabelledStructure]) -> OptimizationConfig:
    """Make this training warm, if the last potential knows all elements and has this architecture."""
    settings, training = config.learn, config.learn.training
    if "seed" not in training.model_fields_set:
        training = training.model_copy(update={"seed": config.seed})
    if previous is None or not settings.warm_start:
        return training
    manifest = read_manifest(previous)
    elements = sorted({int(number) for one in structures for number in one.atoms.numbers})
    if elements != sorted(manifest.atomic_numbers) or manifest.config != settings.model.architecture():
        return training
    changes: dict[str, Any] = {"init_from": previous, "lr": training.lr * settings.warm_lr}
    for name in ("epochs", "steps"):
        length = getattr(training, name)
        if length is not None:
            changes[name] = max(1, round(settings.warm_length * length))
    if training.time_budget is not None:
        changes["time_budget"] = settings.warm_length * training.time_budget
    return training.model_copy(update=changes)


# --- what is measured


def _honest_errors(model: Path, parts: Parts, iteration: int, target: float) -> dict[str, Any]:
    """Errors of the last potential on labels that it has not seen."""
    chosen = [one for one in parts.train if one.job.iteration == iteration]
    control = [one for one in parts.held_out if one.job.iteration == iteration]
    return {
        "chosen_before": errors_of(model, chosen, target),
        "control_before": errors_of(model, control, target),
    }


def _metrics(model: Path, parts: Parts, iteration: int, target: float) -> dict[str, Any]:
    fixed = [one for one in parts.held_out if one.job.iteration == 0]
    control = [one for one in parts.held_out if one.job.iteration > 0]
    chosen = [one for one in parts.train if one.job.iteration == iteration]
    return {
        "fixed": errors_of(model, fixed, target),
        "control": errors_of(model, control, target),
        "chosen_after": errors_of(model, chosen, target),
    }


def errors_of(model: Path, labels: Sequence[LabelledJob], target: float) -> dict[str, Any] | None:
    """Errors and error bars of a potential.

    Parameters
    ----------
    model : Path
    labels : sequence of LabelledJob
    target : float, eV/A

    Returns
    -------
    dict or None
        RMSE of forces (eV/A) and energies (eV/atom), share of force errors below the target, share inside of the 90 %
        interval, and pairs of sigma and error (eV/A); None without labels.
    """
    structures = [LabelledStructure(one.atoms, one.label.energy, one.label.forces, one.label.stress) for one in labels]
    structures = [one for one in structures if not one.is_isolated_atom]
    if not structures:
        return None
    opened = open_engine(model)
    table = collect_errors(opened, structures)
    calibration = opened.manifest.calibration
    if calibration is None:
        raise DataError(f"{model} is not calibrated")
    free = free_atoms(table)
    sigma = np.repeat(sigmas(free, calibration.forces)[:, None], 3, axis=1)
    errors, free_errors = np.abs(table.force_errors), np.abs(free.force_errors)
    factor = calibration.forces.quantiles[calibration.forces.levels.index(LEVEL)]
    n_atoms = np.array([len(one.atoms) for one in structures])
    every = max(1, free_errors.size // MOST_POINTS)
    return {
        "forces_rmse": float(np.sqrt(np.mean(errors**2))),
        "energy_rmse": float(np.sqrt(np.mean((table.energy_errors / n_atoms) ** 2))),
        "share_below_target": float((errors < target).mean()),
        "coverage": float((free_errors <= factor * sigma).mean()),
        "n_structures": len(structures),
        "sigma": [float(f"{one:.4g}") for one in sigma.ravel()[::every]],
        "error": [float(f"{one:.4g}") for one in free_errors.ravel()[::every]],
    }
