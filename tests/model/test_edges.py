"""Spherical harmonics equal e3nn's; the radial basis and its envelope are smooth at the cutoff."""

import pytest
import torch
from e3nn import o3

from mlpot.config import ModelConfig
from mlpot.model.edges import EdgeEmbedding, SphericalHarmonics, pad
from mlpot.model.radial import RadialBasis, envelope


@pytest.mark.parametrize("lmax", range(7))
def test_harmonics_equal_e3nn(lmax):
    vectors = torch.nn.functional.normalize(torch.randn(50, 3, dtype=torch.float64), dim=1)
    expected = o3.spherical_harmonics(list(range(lmax + 1)), vectors, normalize=False, normalization="component")
    values = SphericalHarmonics(lmax).double()(vectors)
    torch.testing.assert_close(values, expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("power", [3, 6, 12])
def test_envelope_has_two_continuous_derivatives(power):
    ratio = torch.tensor([1.0 - 1e-9, 1.0, 1.0 + 1e-9], dtype=torch.float64, requires_grad=True)
    value = envelope(ratio, power)
    first = torch.autograd.grad(value.sum(), ratio, create_graph=True)[0]
    second = torch.autograd.grad(first.sum(), ratio)[0]
    for derivative in (value, first, second):
        assert derivative.abs().max() < 1e-5
    assert envelope(torch.zeros(1, dtype=torch.float64), power).item() == 1.0


def test_radial_basis_vanishes_at_the_cutoff_and_is_finite_near_zero():
    basis = RadialBasis(8, 5.0, 1.0, 6).double()
    assert basis(torch.tensor([[5.0], [6.0]], dtype=torch.float64)).abs().max() < 1e-12
    near_zero = basis(torch.tensor([[1e-6]], dtype=torch.float64))
    torch.testing.assert_close(near_zero, (basis.scale * basis.frequencies * 2.0 / 5.0)[None], rtol=1e-6, atol=0)


@pytest.mark.parametrize("distance_transform", [0.0, 1.0, 3.0])
def test_radial_functions_oscillate_faster_in_bonds(distance_transform):
    """The n-th function is zero where (1 + a) r / (cutoff + a r) is a multiple of 1 / n."""
    zeros = torch.tensor([5.0 * k / (8 + distance_transform * (8 - k)) for k in range(1, 8)], dtype=torch.float64)
    values = RadialBasis(8, 5.0, distance_transform, 6).double()(zeros[:, None])
    assert values[:, 7].abs().max() < 1e-12
    assert (values[:, :7].abs().amax(1) > 1e-3).all()


def test_radial_functions_that_oscillate_count_for_less():
    scale = RadialBasis(8, 5.0, 1.0, 6).double().scale
    torch.testing.assert_close(scale, scale[0] / torch.arange(1.0, 9.0, dtype=torch.float64))
    assert scale.square().mean().item() == pytest.approx(4.0)


def test_padding_keeps_every_edge_with_its_center():
    edge_index = torch.tensor([[0, 0, 2, 2, 2], [1, 2, 0, 1, 3]])
    vectors = torch.randn(5, 3, dtype=torch.float64)
    edges = EdgeEmbedding(ModelConfig(lmax=1)).double()(edge_index, vectors, None, 4, vectors)
    padded = pad(edges.harmonics, edges)
    assert padded.shape == (4, 3, 4)
    expected = torch.zeros(4, 4, dtype=torch.float64).index_add(0, edge_index[0], edges.harmonics)
    torch.testing.assert_close(padded.sum(1), expected)


def test_unsorted_edges_are_refused():
    edge_index = torch.tensor([[1, 0], [0, 1]])
    vectors = torch.randn(2, 3, dtype=torch.float64)
    with pytest.raises(ValueError, match="sort the edges by center"):
        EdgeEmbedding(ModelConfig()).double()(edge_index, vectors, None, 2, vectors)
