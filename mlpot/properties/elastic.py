"""Elastic constants of a crystal, with internal relaxation, from stresses at small strains (matscipy)."""

from dataclasses import dataclass

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator
from matplotlib.axes import Axes
from matscipy.elasticity import (
    Voigt_6x6_to_full_3x3x3x3,
    fit_elastic_constants,
    full_3x3x3x3_to_Voigt_6x6,
    generate_strained_configs,
)

from mlpot.errors import PropertyError
from mlpot.neighbors.matscipy import FloatArray
from mlpot.properties.crystal import relaxed_crystal, symmetry_of
from mlpot.properties.rows import Row
from mlpot.simulation import relax

STRAINS = 5
"""Strains for each of the six directions; their stresses are fitted by a straight line."""


@dataclass(frozen=True)
class ElasticConstants:
    """Elastic constants of a crystal at zero pressure.

    Attributes
    ----------
    crystal_system : str
    matrix : (6, 6), GPa
        Voigt order xx, yy, zz, yz, xz, xy in the standard orientation (cubic axes along x, y, z), averaged over the
        symmetry operations of the crystal.
    constants : dict of str to float, GPa
        Those that differ: C11, C12, C44 for cubic crystals.
    bulk_modulus, shear_modulus : float, GPa
        Hill's averages for a polycrystal.
    smallest_eigenvalue : float, GPa
        Of the matrix; the crystal is unstable against strain where it is not positive.
    asymmetry : float, GPa
        Largest change by the averaging: what the figures are worth numerically.
    """

    crystal_system: str
    matrix: FloatArray
    constants: dict[str, float]
    bulk_modulus: float
    shear_modulus: float
    smallest_eigenvalue: float
    asymmetry: float

    @property
    def stable(self) -> bool:
        """Whether every small strain costs energy."""
        return self.smallest_eigenvalue > 0.0

    def rows(self) -> list[Row]:
        """Lines of a table."""
        return [
            *(Row(name, f"{value:.1f}", "GPa") for name, value in self.constants.items()),
            Row("bulk modulus (Hill)", f"{self.bulk_modulus:.1f}", "GPa"),
            Row("shear modulus (Hill)", f"{self.shear_modulus:.1f}", "GPa"),
            Row("stable against strain", "yes" if self.stable else "NO", ""),
        ]

    def plot(self, axis: Axes) -> None:
        """Draw the matrix."""
        reach = float(np.abs(self.matrix).max())
        axis.imshow(self.matrix, cmap="RdBu_r", vmin=-reach, vmax=reach)
        for (row, column), value in np.ndenumerate(self.matrix):
            color = "white" if abs(value) > 0.6 * reach else "black"
            axis.text(column, row, f"{value:.0f}", ha="center", va="center", color=color, fontsize=9)
        axis.set(xticks=range(6), yticks=range(6), title=f"elastic constants, GPa ({self.crystal_system})")
        axis.set_xticklabels([str(k + 1) for k in range(6)])
        axis.set_yticklabels([str(k + 1) for k in range(6)])


def elastic_constants(
    atoms: Atoms,
    calculator: Calculator,
    *,
    strain: float = 2e-3,
    fmax: float = 1e-5,
) -> ElasticConstants:
    """Strain a crystal in all six directions and relax its atoms.

    Parameters
    ----------
    atoms : ase.Atoms
        Any cell of the crystal.
    calculator : ase.calculators.calculator.Calculator
        With stress.
    strain : float
        Largest strain.
    fmax : float, eV/A
        Of the relaxations.

    Raises
    ------
    PropertyError
        A relaxation does not converge.

    Examples
    --------
    >>> import mlpot
    >>> from ase.build import bulk
    >>> calculator = mlpot.load("Si-dft/fast", precision="double")
    >>> constants = elastic_constants(bulk("Si"), calculator).constants
    >>> {name: round(value) for name, value in constants.items()}  # GPa
    {'C11': 131, 'C12': 67, 'C44': 73}
    """
    crystal = relaxed_crystal(atoms, calculator)
    strained = list(generate_strained_configs(crystal, "triclinic", N_steps=STRAINS, delta=2 * strain / (STRAINS - 1)))
    for one in strained:
        result = relax(one, fmax=fmax, optimizer="bfgs")
        if not result.converged:
            raise PropertyError(
                f"the strained crystal does not relax: {result.max_force:.2g} eV/A is left, expected {fmax:g}; is the "
                "crystal a minimum of this potential?"
            )
    raw, _ = fit_elastic_constants(strained, "triclinic", N_steps=STRAINS, verbose=False)
    return _summary(raw / units.GPa, crystal)


def _summary(raw: FloatArray, crystal: Atoms) -> ElasticConstants:
    symmetry = symmetry_of(crystal)
    matrix = _symmetrized(raw, symmetry.rotations)
    compliance = np.asarray(np.linalg.inv(matrix), dtype=np.float64)
    bulk = 0.5 * (matrix[:3, :3].sum() / 9 + 1 / compliance[:3, :3].sum())
    return ElasticConstants(
        crystal_system=symmetry.crystal_system,
        matrix=matrix,
        constants=_distinct(matrix),
        bulk_modulus=float(bulk),
        shear_modulus=float(_hill_shear(matrix, compliance)),
        smallest_eigenvalue=float(np.linalg.eigvalsh(matrix).min()),
        asymmetry=float(np.abs(raw - matrix).max()),
    )


def _symmetrized(matrix: FloatArray, rotations: FloatArray) -> FloatArray:
    """Average of a 6x6 matrix over rotations (n, 3, 3)."""
    tensor = Voigt_6x6_to_full_3x3x3x3(matrix)
    turned = [np.einsum("ia,jb,kc,ld,abcd->ijkl", r, r, r, r, tensor, optimize=True) for r in rotations]
    average = full_3x3x3x3_to_Voigt_6x6(np.mean(turned, axis=0), check_symmetry=False)
    return np.asarray(0.5 * (average + average.T))


def _distinct(matrix: FloatArray) -> dict[str, float]:
    """Elements of the upper triangle that are neither zero nor, but for a sign, another's."""
    found: dict[str, float] = {}
    tolerance = 1e-3 * np.abs(matrix).max()
    # The diagonal goes in the order of the textbooks: C11, C12, ..., C33, C44, ...
    for row, column in zip(*np.triu_indices(6), strict=True):
        value = float(matrix[row, column])
        if abs(value) > tolerance and all(abs(abs(value) - abs(other)) > tolerance for other in found.values()):
            found[f"C{row + 1}{column + 1}"] = value
    return found


def _hill_shear(c: FloatArray, s: FloatArray) -> float:
    """Mean of the averages of Voigt (stiffness `c`) and Reuss (compliance `s`)."""
    normal, mixed, shear = np.diag(c)[:3].sum(), c[0, 1] + c[0, 2] + c[1, 2], np.diag(c)[3:].sum()
    voigt = (normal - mixed + 3 * shear) / 15
    normal, mixed, shear = np.diag(s)[:3].sum(), s[0, 1] + s[0, 2] + s[1, 2], np.diag(s)[3:].sum()
    return 0.5 * float(voigt + 15 / (4 * normal - 4 * mixed + 3 * shear))
