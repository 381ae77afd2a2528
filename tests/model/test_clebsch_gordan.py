"""The couplings are orthonormal, complete and equivariant."""

import itertools

import numpy as np
import pytest
import torch
from e3nn import o3
from structures import random_rotation

from mlpot.model.clebsch_gordan import generalized_clebsch_gordan, wigner_3j
from mlpot.model.edges import SphericalHarmonics


def rotation_matrix(lmax, rotation):
    """Representation of an O(3) element on components ``lm``, from how the harmonics themselves turn."""
    points = torch.from_numpy(np.random.default_rng(0).normal(size=(100, 3)))
    harmonics = SphericalHarmonics(lmax).double()
    unit = torch.nn.functional.normalize(points, dim=1)
    return torch.linalg.lstsq(harmonics(unit), harmonics(unit @ torch.from_numpy(rotation).T)).solution.T.numpy()


def polynomial_values(polynomials, components):
    monomials = components[polynomials.monomials].prod(axis=1)
    return polynomials.coefficients @ monomials


@pytest.mark.parametrize(
    ("lmax", "nu", "degree"), [(3, 1, 1), (3, 2, 0), (3, 2, 1), (2, 3, 1), (3, 3, 0), (2, 4, 0), (2, 4, 1)]
)
def test_couplings_are_equivariant(lmax, nu, degree):
    rng = np.random.default_rng(nu)
    polynomials = generalized_clebsch_gordan(lmax, nu, degree)
    for improper in (False, True):
        rotation = random_rotation(rng, improper)
        components = rng.normal(size=(lmax + 1) ** 2)
        rotated = polynomial_values(polynomials, rotation_matrix(lmax, rotation) @ components)
        block = rotation_matrix(degree, rotation)[degree**2 :, degree**2 :]
        np.testing.assert_allclose(rotated, polynomial_values(polynomials, components) @ block.T, atol=1e-12)


@pytest.mark.parametrize(("lmax", "nu", "degree"), [(3, 2, 0), (2, 3, 0), (2, 3, 1), (1, 4, 0)])
def test_couplings_are_as_many_as_e3nn_finds(lmax, nu, degree):
    formula = {2: "ij=ji", 3: "ijk=jik=ikj", 4: "ijkl=jikl=ikjl=ijlk"}[nu]
    irreps = o3.Irreps("+".join(f"{ell}{'eo'[ell % 2]}" for ell in range(lmax + 1)))
    wanted = o3.Irrep(degree, (-1) ** degree)
    reference = o3.ReducedTensorProducts(formula, i=irreps, filter_ir_out=[wanted])
    assert len(generalized_clebsch_gordan(lmax, nu, degree).coefficients) == reference.irreps_out.num_irreps


def test_couplings_are_orthonormal_as_full_tensors():
    polynomials = generalized_clebsch_gordan(2, 3, 1)
    multiplicity = np.array([len(set(itertools.permutations(row))) for row in polynomials.monomials.tolist()])
    vectors = polynomials.coefficients / np.sqrt(multiplicity)
    overlap = np.einsum("aMp,bMp->ab", vectors, vectors)
    np.testing.assert_allclose(overlap, 3 * np.eye(len(vectors)), atol=1e-12)


def test_counts_of_the_default_family():
    sizes = {nu: generalized_clebsch_gordan(3, nu, 0) for nu in (2, 3)}
    assert [(len(p.monomials), len(p.coefficients)) for p in sizes.values()] == [(16, 4), (77, 8)]


def test_wigner_3j_norm():
    assert np.linalg.norm(wigner_3j(2, 1, 3)) == pytest.approx(np.sqrt(7), abs=1e-13)
