"""Counts of multiply-adds, against numbers that can be counted by hand."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from operation_counts import contraction_tree, operations

from mlpot.config import PRESETS, ModelConfig
from mlpot.model.contraction import SymmetricContraction

ONE = ModelConfig(n_layers=1, n_channels=64, lmax=3, n_radial=8)
TWO = ModelConfig(n_layers=2, n_channels=64, lmax=3, n_radial=8, message_channels=32)


def parts(config, neighbors=28.0, lanes=16):
    return {part.name: part for part in operations(config, neighbors, lanes).parts}


def test_sum_over_neighbors_of_one_layer():
    """16 harmonics times 8 radial functions forth; twice that, and 16 to put it together, back."""
    assert parts(ONE)["sum over neighbors"].needed == 28 * (128 + 2 * 128 + 16)
    # 28 neighbors fill two vectors of 16, the 8 radial functions half of one, of which there are kernels
    assert parts(ONE)["sum over neighbors"].executed == 28 * 128 + 32 * (2 * 128 + 16)


def test_mix_of_one_layer():
    assert parts(ONE)["mix into channels"].needed == 2 * 16 * 8 * 64
    assert parts(ONE)["mix into channels"].executed == 2 * 16 * 8 * 64
    three = ONE.model_copy(update={"n_radial": 3})
    assert parts(three)["mix into channels"].executed == 16 * 3 * 64 + 16 * 8 * 64


def test_first_layer_of_two_runs_twice():
    once = TWO.model_copy(update={"n_layers": 1})
    n_radial = TWO.n_radial
    assert parts(once)["sum over neighbors"].needed == 28 * 16 * (n_radial + 2 * n_radial + 1)
    assert parts(TWO)["sum over neighbors"].needed == 28 * 16 * (2 * n_radial + 2 * n_radial + 1)
    assert parts(TWO)["mix into channels"].needed == 3 * 16 * n_radial * 64


def test_messages():
    """16 channels of scalars and vectors: 64 components; 4 degrees of harmonics times 2 of messages."""
    found = parts(TWO.model_copy(update={"message_channels": 16, "n_radial": 8}))
    assert found["messages: radial functions"].needed == 2 * 28 * 4 * 8 * 32
    # paths to L = 0, 1, 2, 3: 2, 3, 3, 2
    assert found["messages: mix into channels"].needed == 2 * (2 + 3 * 3 + 3 * 5 + 2 * 7) * 16 * 64
    assert found["messages: sum over neighbors"].needed == 28 * 64 * (4 + 16 + 16 + 16 + 12)


@pytest.mark.parametrize("output_lmax", [0, 1])
@pytest.mark.parametrize("fields", [{}, {"lmax": 1}, {"lmax": 2, "correlation": 4}, {"correlation": 1}])
def test_tree_holds_every_term(output_lmax, fields):
    """And is smaller than the one that torch goes through, where a product's last factor is its last component."""
    config = ModelConfig(**fields)
    leaves, inner, groups = contraction_tree(config, output_lmax)
    levels = SymmetricContraction(config, output_lmax, 1).levels
    assert sum(sum(level.sizes[:-1]) for level in levels) <= leaves + inner <= sum(sum(level.sizes) for level in levels)
    assert 0 < groups <= leaves


def test_tree_counted_by_hand():
    """x, x^2, x^3 are one branch. Of 1, x1^2, x2^2, x3^2 the squares are leaves of x1, x2, x3, and x0^2 one of x0."""
    assert contraction_tree(ModelConfig(lmax=0, correlation=3), 0) == (1, 2, 1)
    assert contraction_tree(ModelConfig(lmax=1, correlation=2), 0) == (4, 4, 4)
    # vectors need x0 x1, x0 x2, x0 x3, too, all of them leaves of x0, and x1, x2, x3 are terms themselves
    assert contraction_tree(ModelConfig(lmax=1, correlation=2), 1) == (7, 4, 7)


def test_contraction_to_scalars_has_77_cubic_monomials():
    """Counted from e3nn's ReducedTensorProducts: 1, 16 and 77 monomials; the rest are beginnings of others."""
    leaves, inner, _ = contraction_tree(ONE, 0)
    assert leaves >= 77
    assert leaves + inner >= 1 + 16 + 77


@settings(max_examples=20)
@given(st.sampled_from(list(PRESETS)), st.floats(1.0, 200.0), st.sampled_from([4, 8, 16]))
def test_kernels_never_do_less_than_is_needed(preset, neighbors, lanes):
    config = ModelConfig(**PRESETS[preset])
    for part in operations(config, neighbors, lanes).parts:
        assert part.executed >= part.needed


def test_scalar_lanes_waste_nothing():
    found = operations(ModelConfig(n_channels=6, message_channels=3, n_layers=2), 28.0, lanes=1)
    assert found.executed == found.needed
    assert found.flop == 2 * found.needed


def test_cost_grows_with_neighbors_only_where_neighbors_are():
    few, many = parts(TWO, 20.0), parts(TWO, 40.0)
    for name, part in many.items():
        factor = part.needed / few[name].needed
        at_edges = name.startswith(("radial", "gradient", "sum over", "messages: radial", "messages: sum"))
        assert factor == pytest.approx(2.0 if at_edges else 1.0)
