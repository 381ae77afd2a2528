"""Stability of a crystal at 0 K: real phonons and a positive definite elastic matrix."""

from ase import Atoms
from ase.calculators.calculator import Calculator

from mlpot.properties.elastic import elastic_constants
from mlpot.properties.phonons import phonons
from mlpot.validation.result import CheckResult, OnProgress, passed_or_failed


def check_stability(crystal: Atoms, calculator: Calculator, cutoff: float, progress: OnProgress) -> CheckResult:
    """Search for imaginary phonons and strains that lower the energy.

    Parameters
    ----------
    crystal : ase.Atoms
        Known to be stable at 0 K.
    calculator : ase.calculators.calculator.Calculator
    cutoff : float, A
    progress : callable

    Returns
    -------
    CheckResult
    """
    elastic = elastic_constants(crystal, calculator)
    progress(0.3)
    modes = phonons(crystal, calculator, shortest=4 * cutoff)
    progress(1.0)
    problems = []
    if not modes.stable:
        where = ", ".join(f"{x:.2f}" for x in modes.lowest_at)
        count = f"{modes.n_imaginary} of {modes.n_modes} phonons are imaginary"
        problems.append(f"{count}, the lowest {modes.lowest:.2f} THz at ({where})")
    if not elastic.stable:
        problems.append(f"a strain costs no energy: smallest eigenvalue {elastic.smallest_eigenvalue:.1f} GPa")
    constants = ", ".join(f"{name} {value:.0f}" for name, value in elastic.constants.items())
    summary = f"all {modes.n_modes} phonons are real, the highest {modes.highest:.1f} THz; {constants} GPa"
    numbers = {"lowest_THz": modes.lowest, "highest_THz": modes.highest, "elastic_GPa": elastic.matrix}
    return passed_or_failed(problems, summary, numbers, modes.plot)
