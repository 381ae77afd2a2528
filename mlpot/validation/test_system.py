"""What is checked: a structure, relaxed with the model, and what is known of it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from pymatgen.core import Element

from mlpot.errors import MLPotError
from mlpot.properties.crystal import relaxed_crystal, structure_from
from mlpot.properties.short_range import free_energies
from mlpot.simulation import relax
from mlpot.validation.result import OnProgress, Verdict, judged

MOLECULE_TEMPERATURE = 1000.0
"""A molecule has to survive this (K)."""

USUAL_MELTING_POINT = 1000.0
"""Taken (K) for a compound of which the user says nothing."""


@dataclass(frozen=True)
class Subject:
    """A structure on which the model is tried.

    Attributes
    ----------
    label : str
        As the user named it, without the folders of a file.
    atoms : ase.Atoms
        Relaxed, crystals in their conventional cell; as given where that fails.
    ground : float, eV/atom
        Energy of `atoms`.
    problem : str
        Why it could not be relaxed; empty where it was.
    """

    label: str
    atoms: Atoms
    ground: float
    problem: str

    @property
    def is_crystal(self) -> bool:
        """Whether it is periodic in three directions."""
        return bool(self.atoms.pbc.all())

    def hot(self, melting_point: float | None) -> float:
        """Temperature (K) of the long run: twice the melting point.

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


def prepare(text: str, calculator: Calculator) -> Subject:
    """Read or build a structure and relax it.

    Parameters
    ----------
    text : str
        As of `structure_from`.
    calculator : ase.calculators.calculator.Calculator

    Returns
    -------
    Subject
    """
    start = structure_from(text)
    label = Path(text).name
    problem = ""
    try:
        atoms = _relaxed(start, calculator)
    except MLPotError as error:
        atoms, problem = start, str(error)
    bare = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell.array, pbc=atoms.pbc, calculator=calculator)
    ground = float(bare.get_potential_energy() / len(bare))
    change = _volume_change(start, bare)
    if not problem and not 0.7 < change < 1.4:
        problem = f"the volume of {label} changes to {change:.2f} of the given one when it is relaxed"
    bare.calc = None
    return Subject(label, bare, ground, problem)


def check_relaxation(subject: Subject, calculator: Calculator, progress: OnProgress) -> Verdict:
    """Say how the relaxation went, and whether the structure is bound.

    Parameters
    ----------
    subject : Subject
    calculator : ase.calculators.calculator.Calculator
    progress : callable

    Returns
    -------
    Verdict
    """
    progress(1.0)
    binding = cohesive_energy(subject, calculator)
    problems = [subject.problem] if subject.problem else []
    if len(subject.atoms) > 1 and not binding > 0:
        problems.append(f"it is not bound: free atoms lie {-binding:.3f} eV/atom below it")
    cell = subject.atoms.cell.cellpar()
    shape = f"a = {cell[0]:.4f} A, " if subject.is_crystal else ""
    praise = f"{shape}{binding:.3f} eV/atom below the free atoms"
    return judged(problems, praise, {"cohesive_energy_eV_per_atom": binding, "cell_A_degrees": cell.tolist()})


def cohesive_energy(subject: Subject, calculator: Calculator) -> float:
    """Energy of the free atoms minus that of the structure.

    Parameters
    ----------
    subject : Subject
    calculator : ase.calculators.calculator.Calculator

    Returns
    -------
    float, eV/atom
    """
    symbols = subject.atoms.get_chemical_symbols()
    energies = dict(zip(set(symbols), free_energies(list(set(symbols)), calculator), strict=True))
    return float(np.mean([energies[symbol] for symbol in symbols]) - subject.ground)


def _relaxed(start: Atoms, calculator: Calculator) -> Atoms:
    if start.pbc.all():
        return relaxed_crystal(start, calculator)
    atoms = start.copy()
    atoms.calc = calculator
    result = relax(atoms, fmax=1e-3)
    if not result.converged:
        raise MLPotError(f"it does not relax: {result.max_force:.2g} eV/A is left after {result.steps} steps")
    return atoms


def _volume_change(start: Atoms, end: Atoms) -> float:
    if not start.pbc.all():
        return 1.0
    return float(end.get_volume() / len(end) / (start.get_volume() / len(start)))
