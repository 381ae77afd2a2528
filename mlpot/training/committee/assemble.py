"""Committees: whole members trained one by one, or readouts attached to a trained model; both with error bars.

Data flow, deep: configuration -> one process for each member, in a folder of its own (`members`) -> `join` -> one
`model.pt`; shallow: trained model -> `readouts` -> one `model.pt`. Then `mlpot.uncertainty` adds the feature distance
of the training part and calibrates on the validation part.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from rich.console import Console

from mlpot.data import LabelledStructure, Subset, dataset_hash, split
from mlpot.errors import ConfigError, MLPotError
from mlpot.model import DeepCommittee, Potential
from mlpot.model_file.manifest import Manifest, read_manifest
from mlpot.model_file.torchscript import potential_from_file, save_model
from mlpot.training.committee.readouts import attach_readouts
from mlpot.training.init_from import single_potential
from mlpot.training.samples import SampleSet
from mlpot.uncertainty.command import add_error_bars, read_like_training

Structures = Sequence[LabelledStructure]


def attach(
    model: Path,
    data: list[Path],
    target: Path,
    n_members: int,
    *,
    held_out: Path | None = None,
    console: Console | None = None,
) -> Manifest:
    """Make a shallow committee out of a model file, with a feature distance and, if there are data for it, error bars.

    Parameters
    ----------
    model : Path
    data : list of Path
        The data it was trained on. If they are those that `mlpot train` was given, the part that it kept back for
        validation is found again and calibrates the error bars.
    target : Path
    n_members : int
    held_out : Path, optional
        Data that were not trained on, to calibrate on; `data` is all taken for training data then.
    console : rich.console.Console, optional

    Returns
    -------
    Manifest
        Of the new file.
    """
    console = console or Console()
    manifest = read_manifest(model)
    structures = read_like_training(manifest, data, console)
    training: Structures = structures
    validation: Structures | None
    if held_out is not None:
        validation = read_like_training(manifest, [held_out], console)
    else:
        training, validation = parts_of_training(manifest, structures)
    if validation is None:
        console.print(
            "the data are not those that the model was trained on with a validation part: no error bars, only spread. "
            "Calibrate it on data that it has not seen: mlpot calibrate",
            highlight=False,
        )
    return make_shallow(model, target, training, validation, n_members, console)


def make_shallow(
    model: Path,
    target: Path,
    training: Structures,
    validation: Structures | None,
    n_members: int,
    console: Console | None,
) -> Manifest:
    """Attach readouts to a model file, fit its feature distance, calibrate it.

    Parameters
    ----------
    model, target : Path
        May be the same.
    training : sequence of LabelledStructure
    validation : sequence of LabelledStructure or None
        Not trained on.
    n_members : int
    console : rich.console.Console or None

    Returns
    -------
    Manifest
    """
    manifest = read_manifest(model)
    potential = single_potential(model)  # the readouts of a shallow committee are fitted anew
    kept = [index for index, structure in enumerate(training) if not structure.is_isolated_atom]
    samples = SampleSet(Subset(training, kept), manifest.atomic_numbers, manifest.cutoff)
    committee = attach_readouts(potential, samples, n_members)
    save_model(target, committee, manifest.training, manifest.license)
    return add_error_bars(target, target, training, validation, console=console)


def join(
    models: Sequence[Path],
    target: Path,
    training: Structures | None = None,
    validation: Structures | None = None,
    *,
    console: Console | None = None,
) -> Manifest:
    """Join single models into one file that is a deep committee.

    Parameters
    ----------
    models : sequence of Path
        Of the same architecture, elements and reference energies.
    target : Path
    training, validation : sequence of LabelledStructure, optional
        For feature distance and error bars.
    console : rich.console.Console, optional

    Returns
    -------
    Manifest
    """
    manifests = [read_manifest(path) for path in models]
    for path, manifest in zip(models, manifests, strict=True):
        if manifest.committee is not None:
            raise ConfigError(f"{path} is a committee itself: give single models")
    members = [cast(Potential, potential_from_file(path)) for path in models]
    history: dict[str, Any] = {**manifests[0].training, "members": [manifest.training for manifest in manifests]}
    save_model(target, DeepCommittee(members), history, manifests[0].license)
    if training is None and validation is None:
        return read_manifest(target)
    return add_error_bars(target, target, training, validation, console=console)


def join_files(models: Sequence[Path], target: Path, training_data: Sequence[Path], held_out: Path | None) -> Manifest:
    """Join single models, with the data in files.

    Parameters
    ----------
    models : sequence of Path
    target : Path
    training_data : sequence of Path
        May be empty.
    held_out : Path or None

    Returns
    -------
    Manifest
    """
    manifest, console = read_manifest(models[0]), Console()
    training = read_like_training(manifest, training_data, console) if training_data else None
    validation = None if held_out is None else read_like_training(manifest, [held_out], console)
    return join(models, target, training, validation, console=console)


def parts_of_training(manifest: Manifest, structures: Structures) -> tuple[Structures, Structures | None]:
    """Find the training and validation parts of a run again.

    Parameters
    ----------
    manifest : Manifest
        Of the model that the run made.
    structures : sequence of LabelledStructure
        The data of the run, perhaps.

    Returns
    -------
    training : sequence of LabelledStructure
        All of the structures, if they are not those of the run.
    validation : sequence of LabelledStructure or None
        None if it cannot be told from the rest.
    """
    config = manifest.training.get("config")
    if config is None or not isinstance(share := config["data"]["validation"], float) or share == 0.0:
        return structures, None
    fractions = {"train": 1.0 - share, "validation": share}
    try:
        parts = split(structures, fractions, config["training"]["seed"], config["data"]["split_by"])
    except MLPotError:
        return structures, None
    training, validation = Subset(structures, parts["train"]), Subset(structures, parts["validation"])
    hashes = {"train": dataset_hash(training), "validation": dataset_hash(validation)}
    known = manifest.training.get("data_hash", {})
    return (training, validation) if hashes.items() <= known.items() else (structures, None)
