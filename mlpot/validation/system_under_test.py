"""Structures on which a model is checked, relaxed with the model."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from pymatgen.core import Element

from mlpot.errors import MLPotError
from mlpot.properties.crystal import relaxed_crystal, structure_from
from mlpot.properties.reference_atoms import zero_of_energy
from mlpot.properties.short_range import free_energies
from mlpot.simulation import relax
from mlpot.validation.result import CheckResult, OnProgress, passed_or_failed

MOLECULE_TEMPERATURE = 1000.0
"""Temperature (K) of the high-temperature MD of a molecule."""

USUAL_MELTING_POINT = 1000.0
"""Melting point (K) of a compound for which none is given."""


@dataclass(frozen=True)
class SystemUnderTest:
    """A structure on which the model is checked.

    Attributes
    ----------
    label : str
        Name of the structure, without the folders of a file.
    atoms : ase.Atoms
        Relaxed, crystals in their conventional cell; as given where that fails.
    ground_energy : float, eV/atom
        Energy of `atoms`.
    problem : str
        Why the relaxation failed; empty where it converged.
    """

    label: str
    atoms: Atoms
    ground_energy: float
    problem: str

    @property
    def is_crystal(self) -> bool:
        """Whether it is periodic in three directions."""
        return bool(self.atoms.pbc.all())

    def high_temperature(self, melting_point: float | None) -> float:
        """Temperature (K) of the high-temperature MD: twice the melting point.

        Parameters
        ----------
        melting_point : float, K, optional
            None: that of the element, `USUAL_MELTING_POINT` for compounds, `MOLECULE_TEMPERATURE` / 2 for molecules.
        """
        if melting_point is not None:
            return 2.0 * melting_point
        if not self.is_crystal:
            return MOLECULE_TEMPERATURE
        elements = set(self.atoms.symbols)
        if len(elements) > 1:
            return 2.0 * USUAL_MELTING_POINT
        return 2.0 * float(Element(elements.pop()).melting_point or USUAL_MELTING_POINT)


def prepare(text: str, calculator: Calculator) -> SystemUnderTest:
    """Read or build a structure, as of `structure_from`, and relax it."""
    start = structure_from(text)
    label = Path(text).name
    problem = ""
    try:
        atoms = _relaxed(start, calculator)
    except MLPotError as error:
        atoms, problem = start, str(error)
    relaxed = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell.array, pbc=atoms.pbc, calculator=calculator)
    ground_energy = float(relaxed.get_potential_energy() / len(relaxed))
    change = _volume_change(start, relaxed)
    if not problem and not 0.7 < change < 1.4:
        problem = f"the volume of {label} changes to {change:.2f} of the given one when it is relaxed"
    relaxed.calc = None
    return SystemUnderTest(label, relaxed, ground_energy, problem)


def check_relaxation(system: SystemUnderTest, calculator: Calculator, progress: OnProgress) -> CheckResult:
    """Check that the structure relaxes and is bound."""
    progress(1.0)
    binding = cohesive_energy(system, calculator)
    problems = [system.problem] if system.problem else []
    if len(system.atoms) > 1 and not binding > 0:
        problems.append(f"it is not bound: free atoms lie {-binding:.3f} eV/atom below it")
    cell = system.atoms.cell.cellpar()
    shape = f"a = {cell[0]:.4f} A, " if system.is_crystal else ""
    summary = f"{shape}{binding:.3f} eV/atom below the {zero_of_energy(calculator)}"
    return passed_or_failed(
        problems, summary, {"cohesive_energy_eV_per_atom": binding, "cell_A_degrees": cell.tolist()}
    )


def cohesive_energy(system: SystemUnderTest, calculator: Calculator) -> float:
    """Energy (eV/atom) of the free atoms, as the model gives it, minus that of the structure."""
    symbols = system.atoms.get_chemical_symbols()
    energies = dict(zip(set(symbols), free_energies(list(set(symbols)), calculator), strict=True))
    return float(np.mean([energies[symbol] for symbol in symbols]) - system.ground_energy)


def _relaxed(start: Atoms, calculator: Calculator) -> Atoms:
    if start.pbc.all():
        return relaxed_crystal(start, calculator)
    atoms = start.copy()
    atoms.calc = calculator
    result = relax(atoms, fmax=1e-3)
    if not result.converged:
        raise MLPotError(
            f"the relaxation does not converge: {result.max_force:.2g} eV/A remain after {result.steps} steps"
        )
    return atoms


def _volume_change(start: Atoms, end: Atoms) -> float:
    if not start.pbc.all():
        return 1.0
    return float(end.get_volume() / len(end) / (start.get_volume() / len(start)))
