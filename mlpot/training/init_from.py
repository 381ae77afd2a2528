"""Training that begins from the weights of a model file instead of random ones."""

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


def starting_potential(path: Path, architecture: ModelConfig, atomic_numbers: Sequence[int]) -> Potential:
    """Potential to begin a training from.

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
            f"`training.init_from`: {path} knows {', '.join(manifest.elements)}, but the data have the atomic numbers "
            f"{list(atomic_numbers)}: give a model of the same elements, or begin without one"
        )
    if manifest.config != architecture:
        raise ConfigError(f"`training.init_from`: {path} has another architecture than `model`: make them the same")
    potential = single_potential(path)
    potential.disable_gate()
    return potential


def teacher_to_start_from(
    teachers: Sequence[Path], architecture: ModelConfig, atomic_numbers: Sequence[int]
) -> Potential | None:
    """Find the first teacher, or first member of one, that is of the same architecture and elements.

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
