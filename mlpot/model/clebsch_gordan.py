"""Generalized Clebsch-Gordan coefficients: polynomials of a spherical tensor that transform as angular momentum L.

For a tensor ``A`` with components ``lm`` up to `lmax`, ``nu`` factors of it couple to angular momentum ``L`` in a
finite number of independent ways. Each coupling is a homogeneous polynomial of degree ``nu`` in the components. This
module makes an orthonormal basis of them from e3nn's Wigner 3j symbols; `contraction` evaluates the polynomials.

References
----------
Drautz, Phys. Rev. B 99, 014104 (2019), eqs. 21-29; Batatia et al., MACE (NeurIPS 2022), eq. 9.
"""

import functools
import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from e3nn import o3
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


class Polynomials(NamedTuple):
    """Orthonormal couplings of ``nu`` equal factors to angular momentum ``L``.

    Attributes
    ----------
    monomials : (n_monomials, nu), int64
        Each row holds the non-decreasing components ``l*l + l + m`` whose product is one monomial.
    coefficients : (n_couplings, 2 L + 1, n_monomials)
        Weight of each monomial in component M of each coupling.
    """

    monomials: NDArray[np.int64]
    coefficients: FloatArray


@functools.cache
def generalized_clebsch_gordan(lmax: int, nu: int, L: int) -> Polynomials:
    """Basis of the natural-parity couplings of ``nu`` equal tensors to ``L``.

    Only couplings whose parity is ``(-1)^L`` are kept: the density holds true tensors, so others would be
    pseudo-scalars or pseudo-vectors.

    Parameters
    ----------
    lmax : int
        Highest angular momentum in the tensor.
    nu : int
        Number of factors.
    L : int
        Angular momentum of the result.

    Returns
    -------
    Polynomials
        Each coupling has, as a full tensor with ``nu`` indices, the norm ``sqrt(2 L + 1)``.

    Examples
    --------
    Two vectors have one invariant, a multiple of their scalar product:

    >>> invariant = generalized_clebsch_gordan(1, 2, 0)
    >>> invariant.monomials.tolist()
    [[0, 0], [1, 1], [2, 2], [3, 3]]
    >>> abs(invariant.coefficients[1, 0]).round(3).tolist()
    [0.0, 0.577, 0.577, 0.577]
    """
    rows: list[tuple[int, ...]] = []
    blocks: list[FloatArray] = []
    for ls in itertools.combinations_with_replacement(range(lmax + 1), nu):
        if (sum(ls) + L) % 2:
            continue
        monomials, couplings = _couplings_of(ls, L)
        if len(couplings):
            rows.extend(monomials)
            blocks.append(couplings)
    n_couplings = sum(len(block) for block in blocks)
    coefficients = np.zeros((n_couplings, 2 * L + 1, len(rows)))
    first_coupling = first_monomial = 0
    for block in blocks:
        last_coupling, last_monomial = first_coupling + len(block), first_monomial + block.shape[2]
        coefficients[first_coupling:last_coupling, :, first_monomial:last_monomial] = block
        first_coupling, first_monomial = last_coupling, last_monomial
    used = np.abs(coefficients).max(axis=(0, 1), initial=0.0) > 1e-12
    monomials_array = np.array(rows, dtype=np.int64).reshape(-1, nu)
    return Polynomials(monomials_array[used], coefficients[:, :, used])


def _couplings_of(ls: tuple[int, ...], L: int) -> tuple[list[tuple[int, ...]], FloatArray]:
    """Monomials and independent couplings of one choice of angular momenta."""
    components = [range(degree**2, (degree + 1) ** 2) for degree in ls]
    tuples = np.array(list(itertools.product(*components)), dtype=np.int64)
    sorted_tuples = [tuple(row) for row in np.sort(tuples, axis=1).tolist()]
    monomials = sorted(set(sorted_tuples))
    position = {monomial: index for index, monomial in enumerate(monomials)}
    target = np.array([position[row] for row in sorted_tuples])
    # |full symmetric tensor|^2 = sum over monomials of coefficient^2 / multiplicity
    multiplicity = np.array([_multiplicity(monomial) for monomial in monomials])
    basis: list[FloatArray] = []
    for tensor in _coupling_paths(ls, L):
        flat = tensor.reshape(-1, 2 * L + 1).T
        polynomial = np.zeros((2 * L + 1, len(monomials)))
        for component, values in zip(polynomial, flat, strict=True):
            np.add.at(component, target, values)
        vector = polynomial / np.sqrt(multiplicity)
        # Gram-Schmidt, twice, in the fixed order of the paths: the same basis on every machine.
        for _ in range(2):
            for known in basis:
                vector = vector - known * (vector * known).sum() / (2 * L + 1)
        norm = float(np.linalg.norm(vector))
        if norm > 1e-6 * max(1.0, float(np.linalg.norm(polynomial))):
            basis.append(vector * np.sqrt(2 * L + 1) / norm)
    couplings = np.array([vector * np.sqrt(multiplicity) for vector in basis])
    return monomials, couplings.reshape(len(basis), 2 * L + 1, len(monomials))


def _multiplicity(monomial: tuple[int, ...]) -> int:
    """Count the distinct orders of the factors of a monomial."""
    return len(set(itertools.permutations(monomial)))


def _coupling_paths(ls: tuple[int, ...], L: int) -> Iterator[FloatArray]:
    """All ways to couple the angular momenta `ls` one after the other to `L`: ``(2 l_1 + 1, ..., 2 L + 1)``.

    Intermediate momenta from which the remaining ones cannot reach `L` are left out: e3nn takes seconds for large 3j
    symbols.
    """

    def extend(tensor: FloatArray, current: int, rest: tuple[int, ...]) -> Iterator[FloatArray]:
        if not rest:
            if current == L:
                yield tensor
            return
        highest = min(current + rest[0], L + sum(rest[1:]))
        for following in range(abs(current - rest[0]), highest + 1):
            yield from extend(np.tensordot(tensor, wigner_3j(current, rest[0], following), 1), following, rest[1:])

    yield from extend(np.eye(2 * ls[0] + 1), ls[0], ls[1:])


@functools.cache
def wigner_3j(l1: int, l2: int, l3: int) -> FloatArray:
    """Real Wigner 3j symbol of e3nn with the norm ``sqrt(2 l3 + 1)``: ``(2 l1 + 1, 2 l2 + 1, 2 l3 + 1)``."""
    symbol: FloatArray = o3.wigner_3j(l1, l2, l3, dtype=torch.float64).numpy()
    return symbol * float(np.sqrt(2 * l3 + 1))
