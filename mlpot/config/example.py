"""A commented YAML configuration with every key at its default, made from the descriptions of the fields."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from mlpot.config.schema import ModelSection
from mlpot.config.sections import is_section, section_of

_STEP = "  "


def example_yaml(schema: type[BaseModel], heading: str) -> str:
    """Commented configuration; valid as it stands.

    Parameters
    ----------
    schema : type
        A required field shows the first entry of its ``examples``.
    heading : str
        First line, a comment.
    """
    lines = [f"# {heading}"]
    for name, field in schema.model_fields.items():
        lines += ["", *_field_lines(name, field, "", field.get_default(call_default_factory=True))]
    return "\n".join(lines) + "\n"


def _field_lines(name: str, field: FieldInfo, indent: str, default: object) -> list[str]:
    comment = f"{indent}# {field.description}"
    section = section_of(field.annotation)
    if section is not None and is_section(field.annotation):
        return [comment, f"{indent}{name}:", *_section_lines(section, indent + _STEP)]
    if section is not None and field.is_required():
        nested = _section_lines(section, indent + 2 * _STEP)
        return [comment, f"{indent}{name}:", f"{indent}{_STEP}-", *nested]
    value = field.examples[0] if default is PydanticUndefined and field.examples else _plain(default)
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000)
    return [comment, f"{indent}{name}: {text.strip().removesuffix('...').strip()}"]


def _section_lines(section: type[BaseModel], indent: str) -> list[str]:
    if section is ModelSection:
        return _model_lines(indent)
    return [
        line
        for name, field in section.model_fields.items()
        for line in _field_lines(name, field, indent, field.get_default(call_default_factory=True))
    ]


def _model_lines(indent: str) -> list[str]:
    """Only the preset is set: the other keys are comments, or they would override another preset."""
    chosen = ModelSection()
    lines = [f"{indent}# {ModelSection.model_fields['preset'].description}", f"{indent}preset: {chosen.preset}"]
    lines.append(f"{indent}# each of these overrides the preset (values of `{chosen.preset}`):")
    for name, field in ModelSection.model_fields.items():
        if name != "preset":
            description, value = _field_lines(name, field, indent, getattr(chosen, name))
            lines += [description, f"{indent}# {value.strip()}"]
    return lines


def _plain(value: object) -> Any:  # noqa: ANN401  # whatever YAML holds
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
