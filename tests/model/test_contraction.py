"""The contraction equals its definition: full coupling tensors applied to powers of the density."""

import numpy as np
import pytest
import torch

from mlpot.config import ModelConfig
from mlpot.model.clebsch_gordan import generalized_clebsch_gordan
from mlpot.model.contraction import POWER_DECAY, SymmetricContraction, component_couplings


@pytest.mark.parametrize(
    ("lmax", "correlation", "vector_correlation", "output_lmax"),
    [(2, 3, 3, 1), (2, 3, 2, 1), (3, 3, 2, 0), (1, 4, 1, 1), (0, 2, 2, 0), (0, 2, 2, 1)],
)
def test_contraction_equals_sum_over_monomials(lmax, correlation, vector_correlation, output_lmax):
    config = ModelConfig(lmax=lmax, correlation=correlation, vector_correlation=vector_correlation, n_channels=3)
    powers = [
        (p, d) for p in range(1, correlation + 1) for d in range(output_lmax + 1) if d == 0 or p <= vector_correlation
    ]
    contraction = SymmetricContraction(config, output_lmax, n_weights=2).double()
    assert [(c.power, c.degree) for c in contraction.couplings] == powers
    density = torch.randn((lmax + 1) ** 2, 5, 3, dtype=torch.float64)
    species = torch.tensor([0, 1, 1, 0, 1])
    expected = np.zeros(((output_lmax + 1) ** 2, 5, 3))
    for coupling in contraction.couplings:
        polynomials = generalized_clebsch_gordan(lmax, coupling.power, coupling.degree)
        monomials = density.numpy()[polynomials.monomials].prod(axis=1)
        weights = coupling.weights.detach().numpy()[:, species]
        first = coupling.degree**2
        expected[first : first + 2 * coupling.degree + 1] += POWER_DECAY ** (coupling.power - 1) * np.einsum(
            "eMp,pnk,enk->Mnk", polynomials.coefficients, monomials, weights
        )
    torch.testing.assert_close(
        contraction(density, species, None).detach(), torch.from_numpy(expected), atol=1e-11, rtol=1e-11
    )


@pytest.mark.parametrize("power", [1, 2, 3, 4])
def test_each_monomial_belongs_to_one_component(power):
    groups = [set(monomials) for degree in (0, 1) for monomials, _ in component_couplings(3, power, degree)]
    assert sum(map(len, groups)) == len(set().union(*groups))
