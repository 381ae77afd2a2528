"""A crystal that is stable at 0 K: real phonons, and resistance against every strain."""

from ase import Atoms
from ase.calculators.calculator import Calculator

from mlpot.properties.elastic import elastic_constants
from mlpot.properties.phonons import phonons
from mlpot.validation.result import OnProgress, Verdict, judged


def check_stability(crystal: Atoms, calculator: Calculator, cutoff: float, progress: OnProgress) -> Verdict:
    """Look for imaginary phonons and soft strains.

    Parameters
    ----------
    crystal : ase.Atoms
        Stable at 0 K in reality.
    calculator : ase.calculators.calculator.Calculator
    cutoff : float, A
    progress : callable

    Returns
    -------
    Verdict
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
    praise = f"all {modes.n_modes} phonons are real, the highest {modes.highest:.1f} THz; {constants} GPa"
    numbers = {"lowest_THz": modes.lowest, "highest_THz": modes.highest, "elastic_GPa": elastic.matrix}
    return judged(problems, praise, numbers, modes.plot)
