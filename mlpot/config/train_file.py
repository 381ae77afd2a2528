"""Files with the configuration of a training run.

Data flow: a YAML file, the folder of a run or a bare data file -> `read_train_config` -> `TrainConfig` ->
`mlpot.training.train`, which writes it again with every default (`write_train_config`).
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from mlpot.config.schema import TrainConfig
from mlpot.config.yaml import merge, parse_override, read_values, replace_paths, validated
from mlpot.errors import ConfigError
from mlpot.running.atomic_write import write_atomically

TRAIN_CONFIG_NAME = "train.yaml"
_YAML_SUFFIXES = (".yaml", ".yml")


def read_train_config(
    source: Path, overrides: Sequence[str] = (), sections: Mapping[str, Any] | None = None
) -> TrainConfig:
    """Read a configuration from a YAML file, from the folder of an earlier run, or from a data file and defaults.

    Parameters
    ----------
    source : Path
        ``*.yaml``; a folder that holds `train.yaml`; any other file is taken as training data.
    overrides : sequence of str
        ``section.key=value`` with a YAML value; applied last.
    sections : mapping, optional
        Nested values that are applied before `overrides`.

    Raises
    ------
    ConfigError
        A file that is not there or not YAML, unknown keys, wrong values.
    """
    values = _values(source)
    merge(values, sections or {})
    for override in overrides:
        merge(values, parse_override(override))
    return validated(TrainConfig, values)


def _values(source: Path) -> dict[str, Any]:
    if source.is_dir():
        if not (source / TRAIN_CONFIG_NAME).is_file():
            raise ConfigError(
                f"{source} is a folder without {TRAIN_CONFIG_NAME}: expected the folder of a run, a YAML file or a "
                "data file"
            )
        source = source / TRAIN_CONFIG_NAME
    if not source.is_file():
        raise ConfigError(f"no such file: {source}; `mlpot train --example` prints a configuration to start from")
    if source.suffix.lower() not in _YAML_SUFFIXES:
        return {"data": {"train": [str(source)]}}
    return read_values(source, TrainConfig)


def write_train_config(config: TrainConfig, path: Path) -> None:
    """Write every key, defaults included, as YAML that `read_train_config` reads back to the same configuration.

    Paths are written relative to the folder of the file, so that it can be moved together with the data.
    """
    values = config.model_dump(mode="json")
    replace_paths(values, TrainConfig, lambda entry: os.path.relpath(entry, path.parent))
    write_atomically(path, yaml.safe_dump(values, sort_keys=False, width=100))


def portable(config: TrainConfig) -> dict[str, Any]:
    """Plain values of what decides the result, with bare file names: for files that are passed on to others."""
    values = config.model_dump(mode="json", exclude={"run"})
    replace_paths(values, TrainConfig, lambda entry: Path(entry).name)
    return values
