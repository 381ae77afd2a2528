"""Equation of state of a crystal: lattice constants, cohesive energy, bulk modulus, energy against volume."""

from dataclasses import dataclass

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator
from ase.eos import EquationOfState as Fit
from matplotlib.axes import Axes

from mlpot.errors import ConfigError, PropertyError
from mlpot.neighbors.matscipy import FloatArray
from mlpot.plotting import tidy
from mlpot.properties.crystal import primitive_cell, relaxed_crystal, symmetry_of
from mlpot.properties.reference_atoms import zero_of_energy
from mlpot.properties.rows import Row
from mlpot.properties.short_range import free_energies
from mlpot.simulation import relax

FIT_RANGE = 0.04
"""The fit takes volumes within this fraction of the equilibrium."""

_NEAR = FIT_RANGE + 1e-9  # both ends belong to it, whatever rounding makes of them

FEWEST_VOLUMES = 5
"""The fit has four parameters."""


@dataclass(frozen=True)
class EquationOfState:
    """Crystal at zero pressure, and its energy against volume.

    Attributes
    ----------
    formula : str
    space_group : str
    lengths : (3,), A
        Of the conventional cell.
    angles : (3,), degrees
    volume : float, A^3/atom
    energy : float, eV/atom
    cohesive_energy : float, eV/atom
        Energy of the free atoms, as the potential gives it, minus that of the crystal.
    zero_of_energy : {"free atoms", "fitted references"}
        Of `cohesive_energy`: fitted references are no free atoms, and the value is then no cohesive energy.
    bulk_modulus : float, GPa
        Of a Birch-Murnaghan fit; the shape of the cell stays as it is, the atoms relax.
    bulk_modulus_derivative : float
        With respect to pressure.
    volumes : (n_volumes,), A^3/atom
    energies : (n_volumes,), eV/atom
    """

    formula: str
    space_group: str
    lengths: FloatArray
    angles: FloatArray
    volume: float
    energy: float
    cohesive_energy: float
    zero_of_energy: str
    bulk_modulus: float
    bulk_modulus_derivative: float
    volumes: FloatArray
    energies: FloatArray

    def rows(self) -> list[Row]:
        """Lines of a table."""
        names = dict(zip("abc", self.lengths, strict=True))
        distinct = {name: value for name, value in names.items() if name == "a" or abs(value - names["a"]) > 1e-4}
        is_cohesive = self.zero_of_energy == "free atoms"
        binding = "cohesive energy" if is_cohesive else f"energy below the {self.zero_of_energy}"
        return [
            *(Row(f"lattice constant {name}", f"{value:.4f}", "A") for name, value in distinct.items()),
            Row("volume", f"{self.volume:.3f}", "A^3/atom"),
            Row(binding, f"{self.cohesive_energy:.4f}", "eV/atom"),
            Row("bulk modulus", f"{self.bulk_modulus:.1f}", "GPa"),
            Row("its pressure derivative", f"{self.bulk_modulus_derivative:.2f}", ""),
        ]

    def plot(self, axis: Axes) -> None:
        """Draw energy against volume."""
        axis.plot(self.volumes, 1e3 * (self.energies - self.energy), "o-", ms=3, color="#1b6ca8")
        axis.axvline(self.volume, color="#999999", lw=0.8)
        axis.set(xlabel="volume, Å³/atom", ylabel="energy, meV/atom", title=f"equation of state, {self.formula}")
        tidy(axis)


def equation_of_state(
    atoms: Atoms,
    calculator: Calculator,
    *,
    span: float = 0.16,
    n_volumes: int = 33,
) -> EquationOfState:
    """Relax a crystal and follow its energy through compression and expansion.

    Parameters
    ----------
    atoms : ase.Atoms
        Any cell of the crystal.
    calculator : ase.calculators.calculator.Calculator
    span : float
        Volumes from ``1 - span`` to ``1 + span`` of the relaxed one; at least `FIT_RANGE`.
    n_volumes : int

    Raises
    ------
    ConfigError
        Too few volumes for the fit.
    PropertyError
        A relaxation does not converge, or the fit has no minimum.

    Examples
    --------
    >>> import mlpot
    >>> from ase.build import bulk
    >>> calculator = mlpot.load("Si-dft/fast", precision="double")
    >>> result = equation_of_state(bulk("Si"), calculator)
    >>> round(result.bulk_modulus, 1), round(result.volume, 2)  # GPa, A^3/atom
    (88.5, 20.5)
    """
    ratios = np.linspace(1.0 - span, 1.0 + span, n_volumes)
    near = np.abs(ratios - 1.0) <= _NEAR
    if span < FIT_RANGE or near.sum() < FEWEST_VOLUMES:
        raise ConfigError(
            f"the fit needs {FEWEST_VOLUMES} volumes within {FIT_RANGE} of the equilibrium, and that span at least, "
            f"got {near.sum()} of {n_volumes} with a span of {span}: give more `n_volumes`"
        )
    crystal = relaxed_crystal(atoms, calculator)
    primitive = primitive_cell(crystal)
    energies = np.array([_energy_at(primitive, calculator, ratio) for ratio in ratios])
    volume = crystal.get_volume() / len(crystal)
    fit = Fit(ratios[near] * volume, energies[near], eos="birchmurnaghan")
    modulus = fit.fit()[2] / units.GPa
    energy = crystal.get_potential_energy() / len(crystal)
    cell = crystal.cell.cellpar()
    return EquationOfState(
        formula=crystal.get_chemical_formula("metal", empirical=True),
        space_group=symmetry_of(crystal).space_group,
        lengths=cell[:3],
        angles=cell[3:],
        volume=float(volume),
        energy=float(energy),
        cohesive_energy=float(_free_atoms(crystal, calculator) - energy),
        zero_of_energy=zero_of_energy(calculator),
        bulk_modulus=float(modulus),
        bulk_modulus_derivative=float(fit.eos_parameters[2]),
        volumes=ratios * volume,
        energies=energies,
    )


def _energy_at(primitive: Atoms, calculator: Calculator, ratio: float) -> float:
    """Energy (eV/atom) with the volume at `ratio` times that of the crystal, atoms relaxed."""
    strained = primitive.copy()
    strained.calc = calculator
    strained.set_cell(primitive.cell * ratio ** (1 / 3), scale_atoms=True)
    fmax = 1e-4
    result = relax(strained, fmax=fmax)
    if not result.converged:
        raise PropertyError(
            f"the crystal with {ratio:.2f} of its volume does not relax: {result.max_force:.2g} eV/A is left, expected "
            f"{fmax:g}; give a smaller `span`"
        )
    return result.energy / len(strained)


def _free_atoms(crystal: Atoms, calculator: Calculator) -> float:
    """Mean energy (eV/atom) of the crystal's atoms, each alone."""
    symbols, counts = np.unique(crystal.symbols, return_counts=True)
    return float(np.dot(free_energies(symbols.tolist(), calculator), counts) / counts.sum())
