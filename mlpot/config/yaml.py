"""Training configurations as YAML: reading, overriding, writing, the commented example, and errors that help.

Data flow: a YAML file or a bare data file -> `read_config` -> `mlpot.config.TrainConfig` -> `mlpot.training.train`.
"""

import difflib
import os
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticUndefined

from mlpot.config import ModelSection, TrainConfig
from mlpot.errors import ConfigError

CONFIG_SUFFIXES = (".yaml", ".yml")
RESOLVED_NAME = "train.yaml"
# Fields that hold a path or several.
_PATHS = ("data.train", "data.validation", "data.test", "training.start", "training.distill.teachers", "run.output")


def read_config(source: Path, overrides: Sequence[str] = (), sections: Mapping[str, Any] | None = None) -> TrainConfig:
    """Read a configuration from a YAML file, from the folder of an earlier run, or from a data file and defaults.

    Parameters
    ----------
    source : Path
        ``*.yaml``; a folder that holds `train.yaml`; any other file is taken as training data.
    overrides : sequence of str
        ``section.key=value`` with a YAML value; applied last.
    sections : mapping, optional
        Nested values that are applied before `overrides`.

    Returns
    -------
    TrainConfig
        Relative paths in a YAML file are taken from the folder of that file.

    Raises
    ------
    ConfigError
        A file that is not there or not YAML, unknown keys, wrong values.
    """
    values = _read_values(source)
    merge(values, sections or {})
    for override in overrides:
        merge(values, _parse_override(override))
    return config_from(values)


def config_from(values: Mapping[str, Any]) -> TrainConfig:
    """Check nested values; see `read_config`."""
    try:
        return TrainConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigError(describe(error, values)) from None


def write_config(config: TrainConfig, path: Path) -> None:
    """Write every field, defaults included, as YAML that `read_config` reads back to the same configuration.

    Paths are written relative to the folder of the file, so that it can be moved together with the data.
    """
    values = config.model_dump(mode="json")
    _replace_paths(values, lambda entry: os.path.relpath(entry, path.parent))
    path.write_text(yaml.safe_dump(values, sort_keys=False, width=100), encoding="utf-8")


def portable(config: TrainConfig) -> dict[str, Any]:
    """Plain values of what decides the result, with bare file names: for files that are passed on to others."""
    values = config.model_dump(mode="json", exclude={"run"})
    _replace_paths(values, lambda entry: Path(entry).name)
    return values


def merge(values: dict[str, Any], changes: Mapping[str, Any]) -> None:
    """Put nested `changes` into nested `values`, in place."""
    for key, change in changes.items():
        present = values.get(key)
        if isinstance(change, Mapping) and isinstance(present, dict):
            merge(present, change)
        else:
            values[key] = dict(change) if isinstance(change, Mapping) else change


def _read_values(source: Path) -> dict[str, Any]:
    if source.is_dir():
        if not (source / RESOLVED_NAME).is_file():
            raise ConfigError(f"{source} is a folder without {RESOLVED_NAME}: give a YAML file or a data file")
        source = source / RESOLVED_NAME
    if not source.is_file():
        raise ConfigError(f"no such file: {source}; `mlpot train --example` prints a configuration to start from")
    if source.suffix.lower() not in CONFIG_SUFFIXES:
        return {"data": {"train": [str(source)]}}
    try:
        values = yaml.safe_load(source.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{source} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{source} must hold sections ({', '.join(TrainConfig.model_fields)}), got {values!r:.60}")
    _replace_paths(values, lambda entry: str(source.parent / entry))
    return values


def _replace_paths(values: dict[str, Any], replace: Callable[[str], str]) -> None:
    """Apply `replace` to every path of nested values, in place; wrong types are left for the checks that follow."""
    for field in _PATHS:
        *sections, key = field.split(".")
        section: Any = values
        for name in sections:
            section = section.get(name) if isinstance(section, dict) else None
        entry = section.get(key) if isinstance(section, dict) else None
        if isinstance(entry, str):
            section[key] = replace(entry)
        elif isinstance(entry, list):
            section[key] = [replace(item) if isinstance(item, str) else item for item in entry]


def _parse_override(text: str) -> dict[str, Any]:
    path, equals, value = text.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        raise ConfigError(f"expected section.key=value, such as training.lr=0.005, got {text!r}")
    try:
        nested: Any = yaml.safe_load(value)
    except yaml.YAMLError:
        raise ConfigError(f"the value of {path} is not YAML: {value!r}") from None
    for key in reversed(keys):
        nested = {key: nested}
    return typing.cast(dict[str, Any], nested)


# --- errors


def describe(error: ValidationError, values: Mapping[str, Any]) -> str:
    """One line per wrong field: its path, what is wrong, and the nearest known key for an unknown one."""
    lines: dict[str, list[str]] = {}
    for detail in error.errors():
        path = _field_path(detail["loc"])
        lines.setdefault(path, []).append(_describe_one(path, detail))
    joined = [f"`{path or 'configuration'}`: {' or '.join(dict.fromkeys(texts))}" for path, texts in lines.items()]
    return "\n".join(joined)


def _field_path(location: tuple[int | str, ...]) -> str:
    """Path of a field without pydantic's names of union branches, which no user wrote."""
    parts: list[str] = []
    section: Any = TrainConfig
    for part in location:
        known = section.model_fields if _is_section(section) else {}
        if isinstance(part, int):
            parts[-1] += f"[{part}]"
            continue
        if section is None:
            continue
        parts.append(part)
        section = _section_of(known[part].annotation) if part in known else None
    return ".".join(parts)


def _describe_one(path: str, detail: ErrorDetails) -> str:
    if detail["type"] == "missing":
        return "is missing: a value is required"
    if detail["type"] == "extra_forbidden":
        nearest = nearest_key(path)
        return "unknown key" + (f"; did you mean `{nearest}`?" if nearest else "")
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"{message}, got {detail['input']!r:.80}" if "got " not in message else message


def nearest_key(path: str) -> str | None:
    """Known key most like an unknown one: in its own section first, then of the same name anywhere."""
    section, _, name = path.rpartition(".")
    bare = section.partition("[")[0]
    known = list(known_keys())
    siblings = [key for key in known if key.rpartition(".")[0] == bare]
    names = {key.rpartition(".")[2]: key for key in siblings}
    match = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if match:
        return names[match[0]]
    elsewhere = {key.rpartition(".")[2]: key for key in reversed(known)}
    match = difflib.get_close_matches(name, elsewhere, n=1, cutoff=0.75)
    return elsewhere[match[0]] if match else None


def known_keys(section: type[BaseModel] = TrainConfig, prefix: str = "") -> Iterator[str]:
    """Dotted path of every field of a configuration."""
    for name, field in section.model_fields.items():
        yield prefix + name
        nested = _section_of(field.annotation)
        if nested is not None:
            yield from known_keys(nested, f"{prefix}{name}.")


def _is_section(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _section_of(annotation: object) -> type[BaseModel] | None:
    """Section that an annotation holds, directly, as an option or in a list."""
    if _is_section(annotation):
        return typing.cast(type[BaseModel], annotation)
    if typing.get_origin(annotation) in (list, typing.Union, types.UnionType):
        for argument in typing.get_args(annotation):
            nested = _section_of(argument)
            if nested is not None:
                return nested
    return None


# --- example


def example_config() -> str:
    """Return a commented configuration with every field at its default; it is valid as it stands."""
    lines = ["# Configuration of `mlpot train`. Only data.train is needed; every other line shows its default."]
    for name, field in TrainConfig.model_fields.items():
        lines += ["", f"# {field.description}", f"{name}:"]
        section = _section_of(field.annotation)
        if section is ModelSection:
            lines += _model_example_lines()
        elif section is not None:
            lines += _example_lines(section, "  ")
    return "\n".join(lines) + "\n"


def _model_example_lines() -> list[str]:
    """Only the preset is set: a value in the file would keep its hold when the reader picks another preset."""
    lines = _example_lines(ModelSection, "  ")
    start = next(k for k, line in enumerate(lines) if line.startswith("  preset:")) - 1
    others = [
        line.replace("  ", "  # ", 1) if "# " not in line else line for line in lines[:start] + lines[start + 2 :]
    ]
    return [*lines[start : start + 2], "  # any of these departs from the preset (values of `fast`):", *others]


def _example_lines(section: type[BaseModel], indent: str) -> list[str]:
    lines = []
    for name, field in section.model_fields.items():
        nested = _section_of(field.annotation) if _is_section(field.annotation) else None
        comment = f"{indent}# {field.description}"
        if nested is not None:
            lines += [comment, f"{indent}{name}:", *_example_lines(nested, indent + "  ")]
            continue
        value = "train.extxyz" if field.default is PydanticUndefined else _plain(field.default)
        text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000)
        lines += [comment, f"{indent}{name}: {text.strip().removesuffix('...').strip()}"]
    return lines


def _plain(value: object) -> object:
    """Turn a default into what YAML can hold."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
