"""Distance and error bars put into a model file, and what is printed and drawn of them: `mlpot calibrate`.

Data flow: model file + training data -> feature distance; + held-out data -> calibration; both into the file. The
module in the file and all of its predictions stay as they are.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import safetensors.numpy
from rich.console import Console
from rich.table import Table

from mlpot.data import LabelledStructure, dataset_hash, read_structures
from mlpot.engines.native import open_model
from mlpot.model_file.manifest import TENSORS, Calibration, DistanceInfo, Manifest, member, read_checked, read_manifest
from mlpot.model_file.manifest import replace_extras as _replace_extras
from mlpot.running.progress import progress_bar
from mlpot.uncertainty.calibration import calibrate
from mlpot.uncertainty.collection import collect_errors, distance_of_training_set
from mlpot.uncertainty.quality import WORST, ErrorTable, ForceQuality, force_quality

Structures = Sequence[LabelledStructure]


def calibrate_file(
    model: Path,
    data: Path,
    target: Path,
    *,
    training_data: list[Path] | None = None,
    device: str = "cpu",
    console: Console | None = None,
) -> Manifest:
    """Calibrate the error bars of a committee on held-out data.

    Parameters
    ----------
    model, data : Path
    target : Path
        The new file; may be `model`.
    training_data : list of Path, optional
        What the model was trained on: the feature distance is fitted to it anew.
    device : str
    console : rich.console.Console, optional

    Returns
    -------
    Manifest
        Of the new file.
    """
    console = console or Console()
    manifest = read_manifest(model)
    training = read_like_training(manifest, training_data, console) if training_data else None
    held_out = read_like_training(manifest, [data], console)
    manifest = add_error_bars(model, target, training, held_out, device=device, console=console)
    if manifest.calibration is not None:
        console.print(calibration_table(manifest.calibration, manifest.elements))
    console.print(f"{target}", markup=False, highlight=False)
    return manifest


def read_like_training(manifest: Manifest, files: Sequence[Path], console: Console) -> Structures:
    """Read data with the names of labels that the model was trained with, and say which they are.

    Parameters
    ----------
    manifest : Manifest
    files : sequence of Path
    console : rich.console.Console

    Returns
    -------
    sequence of LabelledStructure
    """
    names = "energy_key", "forces_key", "stress_key", "virial_key", "group_key"
    used = manifest.training.get("config", {}).get("data", {})
    keys = {name: used[name] for name in names if used.get(name) is not None}
    structures = read_structures([str(file) for file in files], **keys)
    console.print(structures.report)
    return structures


def add_error_bars(
    model: Path,
    target: Path,
    training: Structures | None,
    held_out: Structures | None,
    *,
    device: str = "cpu",
    console: Console | None = None,
) -> Manifest:
    """Write a model file with a feature distance, a calibration, or both.

    Parameters
    ----------
    model, target : Path
        May be the same.
    training : sequence of LabelledStructure, optional
        For the distance; a calibration that the file has is dropped, it belonged to another distance.
    held_out : sequence of LabelledStructure, optional
        For the calibration of a committee.
    device : str
    console : rich.console.Console, optional
        For progress.

    Returns
    -------
    Manifest
    """
    if training is not None:
        _write_distance(model, target, training, device, console)
        model = target
    if held_out is not None:
        _write_calibration(model, target, held_out, device, console)
    return read_manifest(target)


def _write_distance(model: Path, target: Path, training: Structures, device: str, console: Console | None) -> None:
    opened = open_model(model, None, device, "double")
    with progress_bar(console, "feature distance", len(training)) as update:
        distance, n_atoms = distance_of_training_set(
            opened, training, device=device, on_structure=partial(update, advance=1)
        )
    info = DistanceInfo(n_structures=len(training), n_atoms=n_atoms, data_hash=dataset_hash(training))
    manifest = opened.manifest.model_copy(update={"feature_distance": info, "calibration": None})
    tensors = safetensors.numpy.load(member(read_checked(model), TENSORS)) | distance.tensors()
    _replace_extras(model, target, manifest, safetensors.numpy.save(tensors))


def _write_calibration(model: Path, target: Path, held_out: Structures, device: str, console: Console | None) -> None:
    opened = open_model(model, None, device, None)
    with progress_bar(console, "calibrate", len(held_out)) as update:
        table = collect_errors(opened, held_out, device=device, on_structure=partial(update, advance=1))
    calibration = calibrate(table, len(opened.manifest.atomic_numbers), dataset_hash(held_out))
    manifest = opened.manifest.model_copy(update={"calibration": calibration})
    _replace_extras(model, target, manifest, member(read_checked(model), TENSORS))


def calibration_table(calibration: Calibration, elements: list[str]) -> Table:
    """Table of scales and quantiles.

    Parameters
    ----------
    calibration : Calibration
    elements : list of str

    Returns
    -------
    rich.table.Table
    """
    title = f"calibrated on {calibration.n_structures} structures, {calibration.n_forces} forces"
    table = Table(title=title, caption="sigma = scale * spread; |error| < factor * sigma at a level of 90 %")
    for name in ("", "scale", "factor at 90 %"):
        table.add_column(name, justify="left" if not name else "right")
    place = calibration.forces.levels.index(0.9)
    for element, scale in zip(elements, calibration.forces.scale, strict=True):
        table.add_row(f"forces, {element}", f"{scale:.3g}", f"{calibration.forces.quantiles[place]:.3g}")
    for name, scaling in (("energy", calibration.energy), ("stress", calibration.stress)):
        if scaling is not None:
            table.add_row(name, f"{scaling.scale[0]:.3g}", f"{scaling.quantiles[place]:.3g}")
    return table


def quality_table(quality: ForceQuality, title: str) -> Table:
    """Table of what error bars are worth.

    Parameters
    ----------
    quality : ForceQuality
    title : str

    Returns
    -------
    rich.table.Table
    """
    table = Table(title=title, show_header=False)
    for level, inside in quality.coverage.items():
        table.add_row(f"errors inside of the {100 * level:g} % interval", f"{100 * inside:.1f} %")
    worst = f"the worst {100 * WORST:g} %"
    rows = {
        "half width of the 90 % interval": f"{1e3 * quality.sharpness:.4g} meV/A",
        "root mean square sigma, error": f"{1e3 * quality.mean_sigma:.4g}, {1e3 * quality.rmse:.4g} meV/A",
        "rank correlation of sigma and error (Spearman)": f"{quality.spearman:.3f}",
        f"AUROC of sigma for {worst}": f"{quality.auroc:.3f}",
    }
    if quality.distance_auroc is not None:
        rows[f"AUROC of the feature distance for {worst}"] = f"{quality.distance_auroc:.3f}"
    for name, text in rows.items():
        table.add_row(name, text)
    return table


def judge(manifest: Manifest, table: ErrorTable) -> ForceQuality | None:
    """Quality of the error bars of a calibrated file; None where there are none.

    Parameters
    ----------
    manifest : Manifest
    table : ErrorTable

    Returns
    -------
    ForceQuality or None
    """
    calibration = manifest.calibration
    if calibration is None or len(table.force_errors) == 0:
        return None
    return force_quality(table, calibration.forces)


def quality_as_dict(quality: ForceQuality) -> dict[str, Any]:
    """Plain data for a JSON file.

    Parameters
    ----------
    quality : ForceQuality

    Returns
    -------
    dict
    """
    return {**vars(quality), "coverage": {f"{level:g}": inside for level, inside in quality.coverage.items()}}
