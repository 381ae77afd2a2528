"""Energies of low-index surfaces: slabs of pymatgen, relaxed, without reconstructions that need a larger cell."""

from dataclasses import dataclass

from ase import Atoms, units
from ase.calculators.calculator import Calculator
from matplotlib.axes import Axes
from pymatgen.core.surface import Slab, SlabGenerator, get_symmetrically_distinct_miller_indices

from mlpot.errors import PropertyError
from mlpot.plotting import tidy
from mlpot.properties.crystal import atoms_from, quiet_pymatgen, relaxed_crystal, structure_of
from mlpot.properties.rows import Row
from mlpot.simulation import relax

J_PER_M2 = units.J / units.m**2
"""One J/m^2 in eV/A^2."""


@dataclass(frozen=True)
class Facet:
    """Lowest termination of one surface.

    Attributes
    ----------
    miller : tuple of int
        Of the conventional cell.
    energy : float, J/m^2
        Relaxed; the mean of both sides where they differ.
    unrelaxed_energy : float, J/m^2
        Of the cut crystal.
    n_atoms : int
        Of the slab.
    terminations : int
        How many were compared.
    """

    miller: tuple[int, ...]
    energy: float
    unrelaxed_energy: float
    n_atoms: int
    terminations: int


@dataclass(frozen=True)
class SurfaceEnergies:
    """Surfaces of a crystal.

    Attributes
    ----------
    facets : tuple of Facet
    """

    facets: tuple[Facet, ...]

    def rows(self) -> list[Row]:
        """Lines of a table."""
        return [
            Row(f"surface {_name(one)}", f"{one.energy:.3f} ({one.unrelaxed_energy:.3f} rigid)", "J/m^2")
            for one in self.facets
        ]

    def plot(self, axis: Axes) -> None:
        """Draw the energies, before and after the relaxation."""
        names = [_name(one) for one in self.facets]
        axis.bar(names, [one.unrelaxed_energy for one in self.facets], 0.7, color="#b9cfe0", label="rigid")
        axis.bar(names, [one.energy for one in self.facets], 0.45, color="#1b6ca8", label="relaxed")
        axis.set(ylabel="surface energy, J/m²", title="surfaces, not reconstructed")
        axis.legend(frameon=False)
        tidy(axis)


def surface_energies(
    atoms: Atoms,
    calculator: Calculator,
    *,
    max_index: int = 1,
    thickness: float = 14.0,
    vacuum: float = 14.0,
    fmax: float = 5e-3,
) -> SurfaceEnergies:
    """Cut slabs out of a crystal and relax them.

    Parameters
    ----------
    atoms : ase.Atoms
        Any cell of the crystal.
    calculator : ase.calculators.calculator.Calculator
    max_index : int
        Largest Miller index.
    thickness, vacuum : float, A
        At least. The vacuum must exceed the range of the potential.
    fmax : float, eV/A

    Returns
    -------
    SurfaceEnergies
        In the order of the energies. Slabs whose composition differs from that of the crystal are left out.

    Raises
    ------
    PropertyError
        A relaxation does not converge, or no slab has the composition of the crystal.

    Examples
    --------
    >>> import mlpot
    >>> from ase.build import bulk
    >>> calculator = mlpot.load("Si-dft/fast", precision="double")
    >>> facets = surface_energies(bulk("Si"), calculator, thickness=8.0, vacuum=8.0).facets
    >>> [(facet.miller, round(facet.energy, 2)) for facet in facets]  # J/m^2
    [((1, 1, 1), 1.09), ((1, 1, 0), 1.33), ((1, 0, 0), 1.88)]
    """
    crystal = relaxed_crystal(atoms, calculator)
    bulk = structure_of(crystal)
    facets = []
    with quiet_pymatgen():
        for miller in get_symmetrically_distinct_miller_indices(bulk, max_index):
            generator = SlabGenerator(bulk, miller, thickness, vacuum, lll_reduce=True, center_slab=True)
            slabs = [slab for slab in generator.get_slabs() if slab.reduced_formula == bulk.reduced_formula]
            if slabs:
                facets.append(_facet(tuple(map(int, miller)), slabs, crystal, fmax))
    if not facets:
        raise PropertyError(f"no slab has the composition of {bulk.reduced_formula}: nothing to compare it with")
    return SurfaceEnergies(tuple(sorted(facets, key=lambda facet: facet.energy)))


def _facet(miller: tuple[int, ...], slabs: list[Slab], crystal: Atoms, fmax: float) -> Facet:
    energies = [_slab_energy(slab, crystal, fmax) for slab in slabs]
    relaxed, rigid, n_atoms = min(energies)
    return Facet(miller, relaxed, rigid, n_atoms, len(slabs))


def _slab_energy(slab: Slab, crystal: Atoms, fmax: float) -> tuple[float, float, int]:
    """Energies of a slab's surfaces (J/m^2), relaxed and as cut, and its number of atoms."""
    atoms = atoms_from(slab)
    atoms.calc = crystal.calc
    inside = crystal.get_potential_energy() / len(crystal) * len(atoms)
    rigid = atoms.get_potential_energy()
    result = relax(atoms, fmax=fmax)
    if not result.converged:
        raise PropertyError(
            f"the surface {slab.miller_index} does not relax: {result.max_force:.2g} eV/A is left, expected {fmax:g}"
        )
    both_sides = 2 * slab.surface_area * J_PER_M2
    return float((result.energy - inside) / both_sides), float((rigid - inside) / both_sides), len(atoms)


def _name(facet: Facet) -> str:
    return f"({' '.join(map(str, facet.miller))})" if min(facet.miller) < 0 else f"({''.join(map(str, facet.miller))})"
