"""Sections `label` and `executor`: values that are refused, and attempts with fallback settings."""

import datetime

import pytest
from loops import loop_config
from pydantic import ValidationError

from mlpot.active_learning.config import LabelSettings
from mlpot.errors import ConfigError


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ({"code": "gpaww"}, "expected one of gpaw"),
        ({"code": "gpaw", "mixing": 0.1}, "mixing"),
        ({"code": "mlpot"}, "requires parameters: {model:"),
    ],
)
def test_wrong_values_are_named(tmp_path, label, words):
    with pytest.raises(ConfigError) as error:
        loop_config(tmp_path, label=label)
    assert words in str(error.value)


def test_attempts_merge_the_fallback_settings_into_the_parameters():
    settings = LabelSettings(
        code="emt",
        parameters={"mixer": {"beta": 0.5, "kind": "pulay"}, "maxiter": 50},
        fallback_settings=[{"mixer": {"beta": 0.05}}, {"maxiter": 300}],
    )
    mixers = [attempt["mixer"]["beta"] for attempt in settings.attempts()]
    assert mixers == [0.5, 0.05, 0.5]
    assert [attempt["maxiter"] for attempt in settings.attempts()] == [50, 50, 300]
    assert settings.attempts()[1]["mixer"]["kind"] == "pulay"
    assert settings.identity() == {"code": "emt", "parameters": settings.parameters}


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"setups": {"base": "recommended", 4: "_s"}}, "setups.4: expected a key that is text, got 4: write '4'"),
        ({"start": datetime.date(2024, 1, 1)}, "start: expected text, a number, .* got the date 2024-01-01"),
        ({"mixer": [{"beta": float("nan")}]}, "mixer.0.beta: expected a finite number, got nan"),
    ],
)
def test_parameters_that_json_would_change_are_named(parameters, words):
    with pytest.raises(ValidationError, match=words):
        LabelSettings.model_validate({"code": "emt", "parameters": parameters})
    with pytest.raises(ValidationError, match=words):
        LabelSettings.model_validate({"code": "emt", "fallback_settings": [parameters]})
