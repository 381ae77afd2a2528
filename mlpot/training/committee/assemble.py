"""Committees: whole members trained one by one, or readouts attached to a trained model; both with error bars.

Data flow, deep: configuration -> one process for each member, in a folder of its own (`members`) -> `join` -> one
bundle; shallow: trained model -> `readouts` -> one bundle. `mlpot.uncertainty` adds the feature distance of the
training part and calibrates on the validation part, before the bundle is saved.
"""

from collections.abc import Sequence
from typing import Any, cast

from mlpot.data import LabelledStructure, Subset, dataset_hash, split
from mlpot.errors import ConfigError, MLPotError
from mlpot.model import DeepCommittee, Potential
from mlpot.model_file.bundle import ModelBundle
from mlpot.model_file.manifest import Manifest
from mlpot.model_file.torchscript import bundle_model, potential_from_file
from mlpot.training.committee.readouts import attach_readouts
from mlpot.training.init_from import single_potential
from mlpot.training.samples import SampleSet
from mlpot.uncertainty.error_bars import OnProgress, add_error_bars, no_progress

Structures = Sequence[LabelledStructure]


def attach(
    model: ModelBundle,
    training: Structures,
    validation: Structures | None,
    n_members: int,
    *,
    on_progress: OnProgress = no_progress,
) -> ModelBundle:
    """Make a shallow committee of a trained model, with a feature distance and error bars.

    Parameters
    ----------
    model : ModelBundle
        A single model, or a shallow committee whose readouts are replaced. Its predictions stay as they are.
    training : sequence of LabelledStructure
        What the model was trained on.
    validation : sequence of LabelledStructure or None
        Not trained on; None: the spread is not calibrated.
    n_members : int
    on_progress : callable
    """
    potential, manifest = single_potential(model), model.manifest
    kept = [index for index, structure in enumerate(training) if not structure.is_isolated_atom]
    samples = SampleSet(Subset(training, kept), manifest.atomic_numbers, manifest.cutoff)
    committee = attach_readouts(potential, samples, n_members)
    bundle = bundle_model(committee, manifest.training, manifest.license)
    return add_error_bars(bundle, training, validation, on_progress=on_progress)


def join(
    models: Sequence[ModelBundle],
    training: Structures | None = None,
    validation: Structures | None = None,
    *,
    on_progress: OnProgress = no_progress,
) -> ModelBundle:
    """Join single models into a deep committee.

    Parameters
    ----------
    models : sequence of ModelBundle
        Of the same architecture, elements and reference energies.
    training, validation : sequence of LabelledStructure, optional
        For feature distance and error bars.
    on_progress : callable
    """
    for model in models:
        if model.manifest.committee is not None:
            raise ConfigError(f"{model.path} is a committee itself: expected single models")
    members = [cast(Potential, potential_from_file(model)) for model in models]
    first = models[0].manifest
    history: dict[str, Any] = {**first.training, "members": [model.manifest.training for model in models]}
    bundle = bundle_model(DeepCommittee(members), history, first.license)
    return add_error_bars(bundle, training, validation, on_progress=on_progress)


def parts_of_training(manifest: Manifest, structures: Structures) -> tuple[Structures, Structures | None]:
    """Divide the data of a run into its training and validation parts again.

    Parameters
    ----------
    manifest : Manifest
        Of the model that the run trained.
    structures : sequence of LabelledStructure
        Possibly the data of the run.

    Returns
    -------
    training : sequence of LabelledStructure
        All of the structures, if they are not those of the run.
    validation : sequence of LabelledStructure or None
        None if it cannot be separated from the rest.
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
