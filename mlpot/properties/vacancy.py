"""Formation energy of vacancies: one atom less, the others relaxed, the cell as that of the crystal."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from matplotlib.axes import Axes

from mlpot.errors import ConfigError, PropertyError
from mlpot.plotting import tidy
from mlpot.properties.crystal import relaxed_crystal, repeats, symmetry_of
from mlpot.properties.rows import Row
from mlpot.simulation import relax


@dataclass(frozen=True)
class Vacancy:
    """A vacancy on one kind of site.

    Attributes
    ----------
    symbol : str
        The missing atom.
    energy : float, eV
        Of formation, relaxed.
    unrelaxed_energy : float, eV
        The same with all other atoms on their sites.
    largest_displacement : float, A
        Of an atom by the relaxation.
    n_atoms : int
        Of the supercell with its vacancy.
    """

    symbol: str
    energy: float
    unrelaxed_energy: float
    largest_displacement: float
    n_atoms: int


@dataclass(frozen=True)
class Vacancies:
    """Vacancies of a crystal.

    Attributes
    ----------
    sites : tuple of Vacancy
        One for each kind of site.
    """

    sites: tuple[Vacancy, ...]

    def rows(self) -> list[Row]:
        """Lines of a table."""
        return [
            Row(f"vacancy {v.symbol}, {v.n_atoms} atoms", f"{v.energy:.3f} ({v.unrelaxed_energy:.3f} rigid)", "eV")
            for v in self.sites
        ]

    def plot(self, axis: Axes) -> None:
        """Draw formation energies, before and after the relaxation."""
        places = np.arange(len(self.sites))
        axis.bar(places - 0.2, [one.unrelaxed_energy for one in self.sites], 0.4, color="#b9cfe0", label="rigid")
        axis.bar(places + 0.2, [one.energy for one in self.sites], 0.4, color="#1b6ca8", label="relaxed")
        axis.set_xticks(places, [one.symbol for one in self.sites])
        axis.set(ylabel="formation energy, eV", title="vacancies")
        axis.legend(frameon=False)
        tidy(axis)


def vacancy_energies(
    atoms: Atoms,
    calculator: Calculator,
    *,
    chemical_potentials: Mapping[str, float] | None = None,
    shortest: float = 10.0,
    fmax: float = 1e-3,
) -> Vacancies:
    """Take one atom out of a supercell, for each kind of site.

    Parameters
    ----------
    atoms : ase.Atoms
        Any cell of the crystal.
    calculator : ase.calculators.calculator.Calculator
    chemical_potentials : mapping of str to float, eV
        Energy of an atom in the reservoir it goes to. Not needed for elements, where it goes to the crystal.
    shortest : float, A
        Least distance between opposite faces of the supercell.
    fmax : float, eV/A

    Raises
    ------
    PropertyError
        A relaxation does not converge.
    ConfigError
        A compound without chemical potentials.

    Examples
    --------
    >>> import mlpot
    >>> from ase.build import bulk
    >>> calculator = mlpot.load("Si-dft/fast", precision="double")
    >>> (site,) = vacancy_energies(bulk("Si"), calculator).sites
    >>> round(site.energy, 2), round(site.unrelaxed_energy, 2)  # eV
    (2.82, 3.13)
    """
    potentials, elements = dict(chemical_potentials or {}), set(atoms.symbols)
    if len(elements) > 1 and (missing := elements - potentials.keys()):
        raise ConfigError(
            f"the formation energy of a vacancy in {atoms.get_chemical_formula()} depends on where its atom goes: "
            f"give `chemical_potentials` (eV) of {', '.join(sorted(missing))}"
        )
    crystal = relaxed_crystal(atoms, calculator)
    if len(elements) == 1:
        potentials.setdefault(min(elements), crystal.get_potential_energy() / len(crystal))
    times = repeats(crystal, shortest)
    kinds = np.unique(symmetry_of(crystal).equivalent_atoms)
    return Vacancies(tuple(_vacancy(crystal, int(k), times, potentials[crystal.symbols[k]], fmax) for k in kinds))


def _vacancy(crystal: Atoms, site: int, times: tuple[int, int, int], potential: float, fmax: float) -> Vacancy:
    perfect = crystal.get_potential_energy() * np.prod(times)
    defect = crystal.repeat(times)
    del defect[site]
    defect.calc = crystal.calc
    rigid = defect.get_potential_energy()
    sites = defect.positions.copy()
    # Out of the symmetric saddle, where there is a lower minimum beside it.
    defect.rattle(0.01, rng=np.random.default_rng(0))
    result = relax(defect, fmax=fmax)
    if not result.converged:
        raise PropertyError(f"the vacancy does not relax: {result.max_force:.2g} eV/A is left, expected {fmax:g}")
    moved = np.linalg.norm(defect.positions - sites - (defect.positions - sites).mean(axis=0), axis=1)
    return Vacancy(
        symbol=str(crystal.symbols[site]),
        energy=float(result.energy + potential - perfect),
        unrelaxed_energy=float(rigid + potential - perfect),
        largest_displacement=float(moved.max(initial=0.0)),
        n_atoms=len(defect),
    )
