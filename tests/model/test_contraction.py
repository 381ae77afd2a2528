"""The contraction equals its definition: full coupling tensors applied to powers of the density."""

import numpy as np
import pytest
import torch

from mlpot.config import ModelConfig
from mlpot.model.contraction import SymmetricContraction, component_couplings
from mlpot.model.coupling import symmetric_couplings


@pytest.mark.parametrize(
    ("lmax", "correlation", "output_lmax"), [(2, 3, 1), (3, 3, 0), (1, 4, 1), (0, 2, 0), (0, 2, 1)]
)
def test_contraction_equals_sum_over_monomials(lmax, correlation, output_lmax):
    config = ModelConfig(lmax=lmax, correlation=correlation, n_channels=3)
    contraction = SymmetricContraction(config, output_lmax, n_species=2).double()
    density = torch.randn((lmax + 1) ** 2, 5, 3, dtype=torch.float64)
    species = torch.tensor([0, 1, 1, 0, 1])
    expected = np.zeros(((output_lmax + 1) ** 2, 5, 3))
    for coupling in contraction.couplings:
        polynomials = symmetric_couplings(lmax, coupling.power, coupling.degree)
        monomials = density.numpy()[polynomials.monomials].prod(axis=1)
        weights = coupling.weights.detach().numpy()[:, species]
        first = coupling.degree**2
        expected[first : first + 2 * coupling.degree + 1] += np.einsum(
            "eMp,pnk,enk->Mnk", polynomials.coefficients, monomials, weights
        )
    torch.testing.assert_close(
        contraction(density, species).detach(), torch.from_numpy(expected), atol=1e-11, rtol=1e-11
    )


@pytest.mark.parametrize("power", [1, 2, 3, 4])
def test_each_monomial_belongs_to_one_component(power):
    groups = [set(monomials) for degree in (0, 1) for monomials, _ in component_couplings(3, power, degree)]
    assert sum(map(len, groups)) == len(set().union(*groups))
