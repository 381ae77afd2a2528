"""Errors of a configuration in plain words: the path of the key, what is wrong, and the key that was meant."""

import difflib
import re

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from mlpot.config.schema import StrictModel
from mlpot.config.sections import known_keys, section_of


def describe(error: ValidationError, schema: type[BaseModel]) -> str:
    """One line per wrong key: its path and what is wrong; for an unknown key its new name or the nearest key.

    Parameters
    ----------
    error : ValidationError
    schema : type
        What the values were checked against.
    """
    lines: dict[str, list[str]] = {}
    for detail in error.errors():
        path, section = _locate(detail["loc"], schema)
        lines.setdefault(path, []).append(_describe_one(path, section, detail, schema))
    joined = [f"`{path or 'configuration'}`: {' or '.join(dict.fromkeys(texts))}" for path, texts in lines.items()]
    return "\n".join(joined)


def _locate(location: tuple[int | str, ...], schema: type[BaseModel]) -> tuple[str, type[BaseModel] | None]:
    """Path of a key without pydantic's names of union branches, and the section that holds the key."""
    parts: list[str] = []
    section: type[BaseModel] | None = schema
    holder: type[BaseModel] | None = None
    for part in location:
        if isinstance(part, int):
            parts[-1] += f"[{part}]"
        elif section is not None:
            parts.append(part)
            holder = section
            field = section.model_fields.get(part)
            section = None if field is None else section_of(field.annotation)
    return ".".join(parts), holder


def _describe_one(path: str, section: type[BaseModel] | None, detail: ErrorDetails, schema: type[BaseModel]) -> str:
    if detail["type"] == "missing":
        return "is missing: a value is required"
    if detail["type"] == "extra_forbidden":
        return _unknown(path, section, schema)
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"{message}, got {detail['input']!r:.80}" if "got " not in message else message


def _unknown(path: str, section: type[BaseModel] | None, schema: type[BaseModel]) -> str:
    parent, _, name = path.rpartition(".")
    renamed = section.renamed_keys.get(name) if section is not None and issubclass(section, StrictModel) else None
    if renamed is not None:
        return f"has a new name: write `{parent}.{renamed}`" if parent else f"has a new name: write `{renamed}`"
    nearest = nearest_key(path, schema)
    return "unknown key" + (f"; did you mean `{nearest}`?" if nearest else "")


def nearest_key(path: str, schema: type[BaseModel]) -> str | None:
    """Known key most like an unknown one: in its own section first, then of the same name anywhere."""
    section, _, name = path.rpartition(".")
    bare = re.sub(r"\[\d+\]", "", section)
    known = list(known_keys(schema))
    siblings = {key.rpartition(".")[2]: key for key in known if key.rpartition(".")[0] == bare}
    if match := difflib.get_close_matches(name, siblings, n=1, cutoff=0.6):
        return siblings[match[0]]
    elsewhere = {key.rpartition(".")[2]: key for key in reversed(known)}
    match = difflib.get_close_matches(name, elsewhere, n=1, cutoff=0.75)
    return elsewhere[match[0]] if match else None
