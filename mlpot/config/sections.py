"""The tree of sections and keys of a configuration."""

import types
import typing
from collections.abc import Iterator

from pydantic import BaseModel


def is_section(annotation: object) -> bool:
    """Whether a field is a section itself, neither optional nor a list of sections."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def section_of(annotation: object) -> type[BaseModel] | None:
    """Section that a field holds: directly, as an option or in a list."""
    if is_section(annotation):
        return typing.cast(type[BaseModel], annotation)
    if typing.get_origin(annotation) in (list, typing.Union, types.UnionType):
        for argument in typing.get_args(annotation):
            nested = section_of(argument)
            if nested is not None:
                return nested
    return None


def known_keys(schema: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Dotted path of every field; entries of lists have no index in it."""
    for name, field in schema.model_fields.items():
        yield prefix + name
        nested = section_of(field.annotation)
        if nested is not None:
            yield from known_keys(nested, f"{prefix}{name}.")
