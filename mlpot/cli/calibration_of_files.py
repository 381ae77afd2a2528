"""Committees and error bars from model files and data files: `mlpot calibrate`, `mlpot committee`."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from mlpot.cli.error_bar_tables import calibration_table, progress_of_structures, read_like_training
from mlpot.model_file.bundle import ModelBundle
from mlpot.model_file.manifest import Manifest
from mlpot.running.outputs import check_output_file
from mlpot.training.committee.assemble import Structures, attach, join, parts_of_training
from mlpot.uncertainty.error_bars import add_error_bars


def calibrate_file(
    model: Path, data: Path, target: Path, *, training_data: Sequence[Path], device: str, console: Console
) -> Manifest:
    """Calibrate the error bars of a committee on held-out data, and print them.

    Parameters
    ----------
    model, data : Path
    target : Path
        The new file; may be `model`.
    training_data : sequence of Path
        What the model was trained on, to fit the feature distance again; may be empty.
    device : str
    console : rich.console.Console
    """
    check_output_file(target)
    bundle = ModelBundle.read(model)
    training = read_like_training(bundle.manifest, training_data, console) if training_data else None
    held_out = read_like_training(bundle.manifest, [data], console)
    with progress_of_structures(console) as on_progress:
        bundle = add_error_bars(bundle, training, held_out, device=device, on_progress=on_progress)
    bundle.save(target)
    if bundle.manifest.calibration is not None:
        console.print(calibration_table(bundle.manifest.calibration, bundle.manifest.elements))
    console.print(f"{target}", markup=False, highlight=False)
    return bundle.manifest


def attach_to_file(
    model: Path, data: Sequence[Path], target: Path, n_members: int, *, held_out: Path | None, console: Console
) -> Manifest:
    """Make a shallow committee out of a model file.

    Parameters
    ----------
    model : Path
    data : sequence of Path
        The data it was trained on. If they are those of `mlpot train`, its validation part calibrates the error bars.
    target : Path
    n_members : int
    held_out : Path or None
        Data that were not trained on, to calibrate on; `data` is all training data then.
    console : rich.console.Console
    """
    check_output_file(target)
    bundle = ModelBundle.read(model)
    training: Structures = read_like_training(bundle.manifest, data, console)
    validation: Structures | None
    if held_out is not None:
        validation = read_like_training(bundle.manifest, [held_out], console)
    else:
        training, validation = parts_of_training(bundle.manifest, training)
    if validation is None:
        console.print(
            "the data are not those that the model was trained on with a validation part: no error bars, only spread. "
            "Calibrate it on data that were not trained on: mlpot calibrate",
            highlight=False,
        )
    with progress_of_structures(console) as on_progress:
        bundle = attach(bundle, training, validation, n_members, on_progress=on_progress)
    bundle.save(target)
    return bundle.manifest


def join_files(
    models: Sequence[Path], target: Path, training_data: Sequence[Path], held_out: Path | None, console: Console
) -> Manifest:
    """Join model files into one deep committee; without data it has no feature distance and no error bars."""
    check_output_file(target)
    bundles = [ModelBundle.read(path) for path in models]
    manifest = bundles[0].manifest
    training = read_like_training(manifest, training_data, console) if training_data else None
    validation = None if held_out is None else read_like_training(manifest, [held_out], console)
    with progress_of_structures(console) as on_progress:
        bundle = join(bundles, training, validation, on_progress=on_progress)
    bundle.save(target)
    return bundle.manifest
