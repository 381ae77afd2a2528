"""Trains the next potential of a loop on its labels, with a committee and calibrated error bars, and measures errors.

Data flow: labels in the store -> extended XYZ, training and held-out part -> `mlpot.training` (resumed after a kill)
-> shallow committee -> calibration on the held-out part -> `model.pt`. Errors are measured on the held-out part of the
initial structures, which stays the same, and on the newest labels before they are trained on.
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
from mlpot.active_learning.labelling.export import labelled_atoms
from mlpot.active_learning.selection.uncertainty_model import LEVEL
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

MAX_POINTS = 400
"""Pairs of sigma and error that are kept of an iteration, for the report."""


@dataclass(frozen=True, eq=False)
class Parts:
    """Labels of a loop: those trained on, and those held out.

    The held-out labels are a part of the initial structures, and all random validation frames.
    """

    train: list[LabelledJob]
    held_out: list[LabelledJob]


def parts_until(store: Store, settings: str, iteration: int) -> Parts:
    """Divide the labels of all iterations so far, in an order that does not depend on when they were computed."""
    labels = [one for one in store.labelled(settings) if one.job.iteration <= iteration]
    labels.sort(key=lambda one: (one.job.iteration, one.job.id))
    return Parts(
        [one for one in labels if not one.held_out],
        [one for one in labels if one.held_out],
    )


@dataclass(frozen=True)
class Trained:
    """A new potential.

    Attributes
    ----------
    model : Path
    metrics : dict
        ``training_seconds``; ``n_train``, ``n_held_out``, numbers of labels; ``retrained``, False if there were no new
        labels to train on; and the errors (see `errors_of`) on ``validation`` (held-out initial structures),
        ``random_validation`` (all random validation frames), ``random_validation_before`` (new ones, by the previous
        potential), ``chosen_before`` and ``chosen_after`` (new labels that were trained on).
    """

    model: Path
    metrics: dict[str, Any]


def train_model(
    folder: Path, config: LoopConfig, parts: Parts, iteration: int, previous: Path | None, max_time: float | None
) -> Trained | None:
    """Train a potential, attach a committee, calibrate it, and measure its errors.

    Parameters
    ----------
    folder : Path
        For models and training runs.
    config : LoopConfig
    parts : Parts
    iteration : int
    previous : Path or None
        Potential of the iteration before.
    max_time : float, s, or None
        For the training.

    Returns
    -------
    Trained or None
        None if the training was stopped before its end; the next call resumes it.

    Raises
    ------
    DataError
        Too few labels.
    """
    if not parts.train or not parts.held_out:
        raise DataError(
            f"{len(parts.train)} labels to train on and {len(parts.held_out)} held out, expected at least one of "
            "each: `mlpot active query --state failed` lists the reasons of failures; fix them, let the jobs wait "
            "again with `mlpot active retry`, and start again"
        )
    folder.mkdir(parents=True, exist_ok=True)
    files = _write_parts(folder / f"{iteration:04d}.data", parts)
    target = folder / f"{iteration:04d}.pt"
    before = {} if previous is None else _errors_before(previous, parts, iteration, config.stop.force_error)
    began = time.monotonic()
    new = [one for one in parts.train if one.job.iteration == iteration]
    retrained = previous is None or bool(new)
    if previous is not None and not new:
        bundle = add_error_bars(ModelBundle.read(previous), read_structures(files[0]), read_structures(files[1]))
    else:
        trained = _train(config, files, folder / f"{iteration:04d}.run", previous, max_time)
        if trained is None:
            return None
        labelled = read_structures(files[0]), read_structures(files[1])
        bundle = attach(ModelBundle.read(trained), *labelled, config.learn.members)
    bundle.save(target)
    seconds = time.monotonic() - began
    counts = {"n_train": len(parts.train), "n_held_out": len(parts.held_out)}
    metrics = counts | {"training_seconds": seconds, "retrained": retrained} | before
    return Trained(target, metrics | _errors_after(target, parts, iteration, config.stop.force_error))


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
    # Settings that were edited after a kill start another run: a run is resumed only with its own settings.
    name = hashlib.sha256(json.dumps(full.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()[:8]
    full = full.model_copy(update={"run": full.run.model_copy(update={"output": folder / name})})
    resume = (folder / name / CHECKPOINT_NAME).exists()
    result = train(full, resume=resume, max_time=max_time)
    return None if result.stopped is not None else result.model


def _training(config: LoopConfig, previous: Path | None, structures: Sequence[LabelledStructure]) -> OptimizationConfig:
    """Return the settings of a warm start, if the last potential has all elements and the same architecture."""
    settings, training = config.learn, config.learn.training
    if "seed" not in training.model_fields_set:
        training = training.model_copy(update={"seed": config.seed})
    if previous is None or not settings.warm_start:
        return training
    manifest = read_manifest(previous)
    elements = sorted({int(number) for one in structures for number in one.atoms.numbers})
    if elements != sorted(manifest.atomic_numbers) or manifest.config != settings.model.architecture(len(elements)):
        return training
    changes: dict[str, Any] = {"init_from": previous, "lr": training.lr * settings.warm_lr}
    for name in ("epochs", "steps"):
        length = getattr(training, name)
        if length is not None:
            changes[name] = max(1, round(settings.warm_length * length))
    if training.time_budget is not None:
        changes["time_budget"] = settings.warm_length * training.time_budget
    return training.model_copy(update=changes)


# --- errors


def _errors_before(model: Path, parts: Parts, iteration: int, target: float) -> dict[str, Any]:
    """Errors of the previous potential on the new labels, which it was not trained on."""
    chosen = [one for one in parts.train if one.job.iteration == iteration]
    random = [one for one in parts.held_out if one.job.iteration == iteration]
    return {
        "chosen_before": errors_of(model, chosen, target),
        "random_validation_before": errors_of(model, random, target),
    }


def _errors_after(model: Path, parts: Parts, iteration: int, target: float) -> dict[str, Any]:
    initial = [one for one in parts.held_out if one.job.iteration == 0]
    random = [one for one in parts.held_out if one.job.iteration > 0]
    chosen = [one for one in parts.train if one.job.iteration == iteration]
    return {
        "validation": errors_of(model, initial, target),
        "random_validation": errors_of(model, random, target),
        "chosen_after": errors_of(model, chosen, target),
    }


def errors_of(model: Path, labels: Sequence[LabelledJob], target: float) -> dict[str, Any] | None:
    """Errors and uncertainties of a potential on labels; None without labels.

    Returns
    -------
    dict or None
        ``forces_rmse`` (eV/A), ``energy_rmse`` (eV/atom), ``fraction_below_target`` of the errors of force components,
        ``coverage`` of the 90 % intervals, ``n_structures``, and pairs of ``sigma`` and ``error`` (eV/A).
    """
    structures = [LabelledStructure(one.atoms, one.label.energy, one.label.forces, one.label.stress) for one in labels]
    structures = [one for one in structures if not one.is_isolated_atom]
    if not structures:
        return None
    opened = open_engine(model)
    table = collect_errors(opened, structures)
    calibration = opened.manifest.calibration
    if calibration is None:
        raise DataError(f"{model} has no calibrated error bars")
    free = free_atoms(table)
    sigma = np.repeat(sigmas(free, calibration.forces)[:, None], 3, axis=1)
    errors, free_errors = np.abs(table.force_errors), np.abs(free.force_errors)
    factor = calibration.forces.quantiles[calibration.forces.levels.index(LEVEL)]
    n_atoms = np.array([len(one.atoms) for one in structures])
    every = max(1, free_errors.size // MAX_POINTS)
    return {
        "forces_rmse": float(np.sqrt(np.mean(errors**2))),
        "energy_rmse": float(np.sqrt(np.mean((table.energy_errors / n_atoms) ** 2))),
        "fraction_below_target": float((errors < target).mean()),
        "coverage": float((free_errors <= factor * sigma).mean()),
        "n_structures": len(structures),
        "sigma": [float(f"{one:.4g}") for one in sigma.ravel()[::every]],
        "error": [float(f"{one:.4g}") for one in free_errors.ravel()[::every]],
    }
