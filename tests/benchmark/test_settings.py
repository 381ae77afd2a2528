"""Options of a benchmark: defaults and refusals."""

import pytest

from mlpot.benchmark.settings import SCALING_ATOMS, Settings
from mlpot.errors import ConfigError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"presets": ("quick",)}, "`preset` must be one of fast, balanced, accurate, max, got 'quick'"),
        ({"engines": ("native", "cuda")}, "`engine` must be one of native, torch, got 'cuda'"),
        ({"precision": "single"}, "`precision` must be one of mixed, double"),
        ({"peers": ("lj",)}, "`peers` must be one of all, none, sw"),
        ({"atoms": (64, 0)}, "`atoms` must be positive, got 0"),
        ({"rounds": 0}, "`rounds` must be positive"),
        ({"seconds": float("nan")}, "`seconds` must be positive"),
        ({"elements": ("Si",), "structure": "x.xyz"}, "give `elements` or `structure`"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        Settings(**options)


def test_defaults():
    settings = Settings()
    assert settings.chosen_presets() == ("fast", "balanced", "accurate", "max")
    assert settings.chosen_atoms() == (4096,)
    assert settings.parallel() == [(1, 1)]
    assert {"sw", "tersoff", "snap-2j8", "mace-medium"} <= set(settings.chosen_peers())
    assert Settings(models=("x.pt",)).chosen_presets() == ()
    assert Settings(peers=("none",)).chosen_peers() == ()


def test_scaling_compares_ranks_and_threads_one_by_one():
    settings = Settings(scaling=True)
    assert settings.parallel() == [(1, 1), (2, 1), (1, 2)]
    assert settings.chosen_atoms() == SCALING_ATOMS
    assert settings.chosen_peers() == ()
    assert Settings(ranks=(1, 2), threads=(1, 2)).parallel() == [(1, 1), (1, 2), (2, 1), (2, 2)]
