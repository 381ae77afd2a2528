"""Initial weights from a model file instead of random ones: fine-tuning, and distillation."""

from collections.abc import Sequence
from pathlib import Path

from mlpot.config import ModelConfig
from mlpot.errors import ConfigError
from mlpot.model import Potential, main_potential
from mlpot.model_file.bundle import ModelBundle
from mlpot.model_file.manifest import read_manifest
from mlpot.model_file.torchscript import potential_from_file


def single_potential(model: Path | ModelBundle) -> Potential:
    """Potential of a model file, without the members of a shallow committee.

    Raises
    ------
    ConfigError
        A deep committee.
    """
    bundle = model if isinstance(model, ModelBundle) else ModelBundle.read(model)
    committee = bundle.manifest.committee
    if committee is not None and committee.kind == "deep":
        raise ConfigError(f"{bundle.path} is a deep committee: expected a single model or a shallow committee")
    return main_potential(potential_from_file(bundle))


def pretrained_potential(path: Path, architecture: ModelConfig, atomic_numbers: Sequence[int]) -> Potential:
    """Potential of a model file as the initial state of a training.

    Parameters
    ----------
    path : Path
        The model file.
    architecture : ModelConfig
    atomic_numbers : sequence of int
        Elements of the training.

    Returns
    -------
    Potential
        With the scales and reference energies of the file.

    Raises
    ------
    ConfigError
        Other elements or another architecture.
    """
    manifest = read_manifest(path)
    if list(manifest.atomic_numbers) != list(atomic_numbers):
        raise ConfigError(
            f"`training.init_from`: expected a model of the atomic numbers of the data, {list(atomic_numbers)}; "
            f"{path} has {', '.join(manifest.elements)}"
        )
    if manifest.config != architecture:
        raise ConfigError(f"`training.init_from`: {path} has another architecture: change `model` to that of the file")
    potential = single_potential(path)
    potential.disable_gate()
    return potential


def teacher_to_start_from(
    teachers: Sequence[Path], architecture: ModelConfig, atomic_numbers: Sequence[int]
) -> Potential | None:
    """First teacher, or first member of one, of the same architecture and elements; None if there is none.

    Parameters
    ----------
    teachers : sequence of Path
    architecture : ModelConfig
    atomic_numbers : sequence of int

    Returns
    -------
    Potential or None
    """
    for path in teachers:
        manifest = read_manifest(path)
        if manifest.config == architecture and list(manifest.atomic_numbers) == list(atomic_numbers):
            potential = main_potential(potential_from_file(path))
            potential.disable_gate()
            return potential
    return None
