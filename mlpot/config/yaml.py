"""YAML into checked configurations, the same for `mlpot train` and `mlpot active`.

Data flow: file -> `read_values` -> `merge` with values of the command line (`parse_override`) -> `validated`.
"""

import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from mlpot.config.messages import describe
from mlpot.config.schema import StrictModel
from mlpot.config.sections import section_of
from mlpot.errors import ConfigError

TOO_DEEP = "expected sections with keys and values, as `--example` prints them"
Config = TypeVar("Config", bound=StrictModel)


def read_values(source: Path, schema: type[BaseModel]) -> dict[str, Any]:
    """Read the nested values of a YAML file.

    Parameters
    ----------
    source : Path
        Relative paths in it are taken from its folder.
    schema : type
        Configuration that the values are meant for; they are not checked here.

    Raises
    ------
    ConfigError
        A file that cannot be read, is not YAML or holds no sections.
    """
    try:
        values = yaml.safe_load(source.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{source} is not YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise ConfigError(f"{source} is nested too deeply: {TOO_DEEP}") from None
    except OSError as error:
        raise ConfigError(f"cannot read {source}: {error.strerror}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{source} must hold sections ({', '.join(schema.model_fields)}), got {values!r:.60}")
    replace_paths(values, schema, lambda entry: str(source.parent / entry))
    return values


def parse_override(text: str) -> dict[str, Any]:
    """Nested values of ``section.key=value``, as given to ``--set``.

    Raises
    ------
    ConfigError
        No key, or a value that is not YAML.

    Examples
    --------
    >>> parse_override("training.schedule.patience=10")
    {'training': {'schedule': {'patience': 10}}}
    """
    path, equals, value = text.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        raise ConfigError(f"expected section.key=value, such as training.lr=0.005, got {text!r}")
    try:
        nested: Any = yaml.safe_load(value)
    except (yaml.YAMLError, RecursionError):
        raise ConfigError(f"the value of {path} is not YAML: {value!r:.60}") from None
    for key in reversed(keys):
        nested = {key: nested}
    return typing.cast(dict[str, Any], nested)


def merge(values: dict[str, Any], changes: Mapping[str, Any]) -> None:
    """Put nested `changes` into nested `values`, in place."""
    for key, change in changes.items():
        present = values.get(key)
        if isinstance(change, Mapping) and isinstance(present, dict):
            merge(present, change)
        else:
            values[key] = dict(change) if isinstance(change, Mapping) else change


def validated(schema: type[Config], values: Mapping[str, Any]) -> Config:
    """Check nested values of a configuration or of a section.

    Raises
    ------
    ConfigError
        Unknown, renamed or missing keys and wrong values, one line each.
    """
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        raise ConfigError(describe(error, schema)) from None


def replace_paths(values: dict[str, Any], schema: type[BaseModel], replace: Callable[[str], str]) -> None:
    """Apply `replace` to every entry whose field is a path, in place; wrong types are left to `validated`."""
    for name, field in schema.model_fields.items():
        entry, section = values.get(name), section_of(field.annotation)
        if section is not None:
            for part in entry if isinstance(entry, list) else [entry]:
                if isinstance(part, dict):
                    replace_paths(part, section, replace)
        elif _holds_path(field.annotation):
            if isinstance(entry, str):
                values[name] = replace(entry)
            elif isinstance(entry, list):
                values[name] = [replace(item) if isinstance(item, str) else item for item in entry]


def _holds_path(annotation: object) -> bool:
    return annotation is Path or any(_holds_path(argument) for argument in typing.get_args(annotation))
