import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpot.active_learning.config import LoopConfig
from mlpot.config import TrainConfig
from mlpot.config.messages import nearest_key
from mlpot.config.sections import is_section, known_keys, section_of
from mlpot.config.yaml import validated
from mlpot.errors import ConfigError


def error_of(values, schema=TrainConfig):
    with pytest.raises(ConfigError) as caught:
        validated(schema, values)
    return str(caught.value)


DATA = {"train": "a.xyz"}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"data": DATA, "training": {"lrr": 1}}, "`training.lrr`: unknown key; did you mean `training.lr`?"),
        ({"data": DATA, "lr": 1}, "`lr`: unknown key; did you mean `training.lr`?"),
        ({"data": DATA, "model": {"channels": 3}}, "`model.channels`: unknown key; did you mean `model.n_channels`?"),
        ({"data": DATA, "traning": {}}, "`traning`: unknown key; did you mean `training`?"),
        ({"data": DATA, "qwertz": {}}, "`qwertz`: unknown key"),
        ({"data": DATA, "training": {"lr": -1}}, "`training.lr`: should be greater than 0, got -1"),
        ({"data": DATA, "training": {"schedule": {"patience": "x"}}}, "`training.schedule.patience`: "),
        (
            {"data": DATA, "model": {"preset": "fst"}},
            "`model.preset`: should be 'fast', 'balanced', 'accurate' or 'max', got 'fst'",
        ),
        ({"data": DATA, "training": {"time_budget": "30x"}}, "`training.time_budget`: expected a duration"),
        ({"data": DATA, "training": {"epochs": 3, "steps": 4}}, "`training`: give one of epochs, steps, time_budget"),
        ({"data": DATA, "loss": {"stages": [{"start": 0, "enrgy": 1}]}}, "`loss.stages[0].enrgy`: unknown key"),
        ({"data": {**DATA, "validation": 1.5}}, "`data.validation`: should be less than 1, got 1.5"),
        ({}, "`data`: is missing"),
        ({"data": 3}, "`data`: "),
    ],
)
def test_errors_name_the_path_and_the_nearest_key(values, message):
    text = error_of(values)
    assert message in text
    assert "pydantic" not in text


def test_all_errors_are_reported_at_once():
    assert len(error_of({"data": DATA, "training": {"lr": -1, "sed": 2}, "run": {"device": "gpu"}}).splitlines()) == 3


@pytest.mark.parametrize("schema", [TrainConfig, LoopConfig])
def test_renamed_keys_name_the_new_key(schema):
    sections = {"": schema} | {f"{key}.": section for key, section in _sections(schema)}
    renamed = [(prefix, section, old) for prefix, section in sections.items() for old in section.renamed_keys]
    assert any(old == "start" for _, _, old in renamed)
    for prefix, section, old in renamed:
        new = section.renamed_keys[old]
        assert new in section.model_fields
        assert old not in section.model_fields
        keys = f"{prefix}{old}".split(".")
        text = error_of(_nested(keys, schema), schema)
        path = re.sub(r"\[\d+\]", "", text)
        assert f"`{prefix}{old}`: has a new name: write `{prefix}{new}`" in path


def _sections(schema, prefix=""):
    for name, field in schema.model_fields.items():
        section = section_of(field.annotation)
        if section is not None:
            yield prefix + name, section
            yield from _sections(section, f"{prefix}{name}.")


def _nested(keys, schema):
    """Values that hold the last of the keys; a list where a section is in a list."""
    if len(keys) == 1:
        return {keys[0]: 1}
    field = schema.model_fields[keys[0]]
    inner = _nested(keys[1:], section_of(field.annotation))
    return {keys[0]: inner if is_section(field.annotation) or "None" in str(field.annotation) else [inner]}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model": {"stretch": 2}}, "`model.stretch`: has a new name: write `model.distance_transform`"),
        ({"training": {"start": "m.pt"}}, "`training.start`: has a new name: write `training.init_from`"),
    ],
)
def test_keys_of_earlier_files_are_explained(values, message):
    assert error_of({"data": DATA, **values}) == message


def test_the_loop_has_the_same_messages():
    text = error_of(
        {"systems": [{"structure": "Si", "ratle": [0.1]}], "label": {"code": "emt"}, "stopp": {}}, LoopConfig
    )
    assert "`systems[0].ratle`: unknown key; did you mean `systems.rattle`?" in text
    assert "`stopp`: unknown key; did you mean `stop`?" in text


@given(st.sampled_from([key for key in known_keys(TrainConfig) if "." in key]), st.data())
def test_one_wrong_letter_finds_the_key(key, data):
    section, _, name = key.rpartition(".")
    if len(name) < 4:
        return
    place = data.draw(st.integers(0, len(name) - 1))
    found = nearest_key(f"{section}.{name[:place]}{name[place + 1 :]}", TrainConfig)
    assert found is not None
    assert found.rpartition(".")[0] == section
