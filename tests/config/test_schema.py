from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from mlpot.config import PRESETS, LossConfig, ModelConfig, ModelSection, OptimizationConfig, TrainConfig, parse_duration
from mlpot.config.schema import SHARED_EMBEDDING, SHARED_FROM
from mlpot.errors import ConfigError


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_presets_fill_what_is_not_given(preset):
    section = ModelSection(preset=preset, n_channels=7)
    expected = ModelConfig(**{**PRESETS[preset], "n_channels": 7})
    assert section.architecture(1) == expected


def test_many_elements_share_weights_by_default():
    assert ModelSection().architecture(SHARED_FROM - 1).species_embedding is None
    assert ModelSection().architecture(SHARED_FROM).species_embedding == SHARED_EMBEDDING
    assert ModelSection(species_embedding=None).architecture(89).species_embedding is None
    assert ModelSection(species_embedding=4).architecture(2).species_embedding == 4
    with pytest.raises(ValidationError):
        ModelSection(species_embedding=0)


def test_presets_grow():
    fast, *others = (ModelSection(preset=name) for name in ("fast", "balanced", "accurate", "max"))
    sizes = [(preset.n_layers, preset.n_channels, preset.message_lmax) for preset in others]
    assert fast.n_layers == 1
    assert sizes == [(2, 32, 1), (2, 64, 1), (2, 64, 2)]


def test_a_dumped_section_is_itself_again():
    section = ModelSection(preset="accurate", lmax=2)
    assert ModelSection(**section.model_dump()) == section


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), (90, 90), ("45s", 45), ("30m", 1800), ("1.5h", 5400), ("1h30m", 5400), ("2d", 172800), (" 5M ", 300)],
)
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "x", "5y", "-3", "0", "m", "inf", "nan", "1h-30m", None, [1]])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ConfigError, match="duration"):
        parse_duration(text)


@given(st.text(max_size=8))
def test_any_text_is_a_positive_duration_or_refused(text):
    with suppress(ConfigError):
        assert 0 < parse_duration(text) < float("inf")


def test_length_is_given_once_and_has_a_default():
    assert OptimizationConfig().epochs == 200
    assert OptimizationConfig(steps=5).epochs is None
    assert OptimizationConfig(time_budget="30m").time_budget == 1800
    with pytest.raises(ValidationError, match="one of epochs, steps, time_budget"):
        OptimizationConfig(epochs=1, steps=1)


@pytest.mark.parametrize(
    "stages",
    [[], [{"start": 0.5}], [{"start": 0.0}, {"start": 0.0}], [{"start": 0.0}, {"start": 0.6}, {"start": 0.3}]],
)
def test_stages_start_at_zero_and_increase(stages):
    with pytest.raises(ValidationError):
        LossConfig(stages=stages)


def test_weights_that_are_all_zero_are_refused():
    with pytest.raises(ValidationError, match="at least one weight"):
        LossConfig(stages=[{"start": 0.0, "energy": 0, "forces": 0, "stress": 0}])


def test_one_file_is_a_list_of_one():
    config = TrainConfig(data={"train": "a.xyz", "validation": ["b.xyz", "c.xyz"]})
    assert [str(path) for path in config.data.train] == ["a.xyz"]
    assert [str(path) for path in config.data.validation] == ["b.xyz", "c.xyz"]


def test_configurations_do_not_change_in_use():
    config = TrainConfig(data={"train": "a.xyz"})
    with pytest.raises(ValidationError):
        config.run = None
