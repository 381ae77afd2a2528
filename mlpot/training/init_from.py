"""Training that begins from the weights of a model file instead of random ones."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from mlpot.config import ModelConfig
from mlpot.errors import ConfigError
from mlpot.model import DeepCommittee, Potential
from mlpot.model_file.manifest import read_manifest
from mlpot.model_file.torchscript import potential_from_file


def single_potential(path: Path) -> Potential:
    """Potential of a file, without the members of a shallow committee.

    Parameters
    ----------
    path : Path
        The model file.

    Returns
    -------
    Potential

    Raises
    ------
    ConfigError
        A committee of whole members.
    """
    manifest = read_manifest(path)
    if manifest.committee is not None and manifest.committee.kind == "deep":
        raise ConfigError(f"{path} is a committee of whole members: expected a single model or a shallow committee")
    potential = cast(Potential, potential_from_file(path))
    weights = potential.state_dict()
    if "deviations" not in weights:
        return potential
    single = Potential(
        manifest.config,
        manifest.atomic_numbers,
        manifest.reference_energies,
        manifest.energy_scale,
        manifest.average_neighbors,
    ).to(weights["deviations"].dtype)
    single.load_state_dict({name: values for name, values in weights.items() if name != "deviations"})
    return single


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
            whole = potential_from_file(path)
            potential = (
                cast(Potential, whole.members[0]) if isinstance(whole, DeepCommittee) else single_potential(path)
            )
            potential.disable_gate()
            return potential
    return None
