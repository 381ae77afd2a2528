"""Reads the configuration of a loop from YAML, and makes a commented example of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlpot.active_learning.config.loop import LoopConfig
from mlpot.config.example import example_yaml
from mlpot.config.yaml import merge, parse_override, read_values, validated
from mlpot.errors import ConfigError


def read_loop_config(source: Path, overrides: Sequence[str] = ()) -> LoopConfig:
    """Read the configuration of a loop.

    Parameters
    ----------
    source : Path
        YAML; relative paths in it count from its folder.
    overrides : sequence of str
        ``section.key=value`` with a YAML value.

    Raises
    ------
    ConfigError
        No such file, not YAML, unknown or renamed keys, wrong values: one line each.
    """
    if not source.is_file():
        raise ConfigError(f"no such file: {source}; `mlpot active run --example` prints a configuration to start from")
    values = read_values(source, LoopConfig)
    for override in overrides:
        merge(values, parse_override(override))
    values["store"] = values.get("store") or source.with_suffix(".db")
    return _absolute(validated(LoopConfig, values), source.absolute().parent)


def example_loop_config() -> str:
    """Commented configuration with every key at its default."""
    return example_yaml(LoopConfig, "Configuration of `mlpot active run`; only `systems` and `label` are required.")


def _absolute(config: LoopConfig, folder: Path) -> LoopConfig:
    """Make the paths absolute, also those of structures and models, which may be names as well."""
    systems = []
    for system in config.systems:
        changes: dict[str, Any] = {"structures": [path.absolute() for path in system.structures]}
        if (folder / system.structure).is_file():
            changes["structure"] = str(folder / system.structure)
        systems.append(system.model_copy(update=changes))
    return config.model_copy(
        update={"systems": systems, "label": config.label.in_folder(folder), "store": config.store.absolute()}
    )
