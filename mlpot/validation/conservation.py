"""Energy conservation: dynamics without thermostat, whose total energy must not drift."""

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from matplotlib.axes import Axes

from mlpot.neighbors.matscipy import FloatArray
from mlpot.plotting import tidy
from mlpot.simulation import MDSettings
from mlpot.validation.result import OnProgress, Verdict, judged
from mlpot.validation.runs import ase_run
from mlpot.validation.samples import enlarged, timestep_for

DRIFT = 1e-5
"""Largest drift of the total energy, eV/atom/ps."""

LOST = 0.05
"""A run whose total energy changes by more (eV/atom) is not worth going on with."""


def check_conservation(
    atoms: Atoms,
    calculator: Calculator,
    progress: OnProgress,
    *,
    temperature: float,
    time: float = 10.0,
) -> Verdict:
    """Run NVE dynamics and fit a straight line through the total energy.

    Parameters
    ----------
    atoms : ase.Atoms
        Relaxed.
    calculator : ase.calculators.calculator.Calculator
        In float64.
    progress : callable
    temperature : float, K
        Of the first velocities; about half of it stays.
    time : float, ps

    Returns
    -------
    Verdict
    """
    system = enlarged(atoms, 60)
    system.calc = calculator
    timestep = timestep_for(atoms)
    steps = round(1000 * time / timestep)
    settings = MDSettings("nve", steps=steps, timestep=timestep, temperature=temperature)
    looks = []
    for look in ase_run(system, calculator, settings):
        looks.append(look)
        progress(look.time / time)
        if not abs(look.conserved - looks[0].conserved) < LOST:
            problem = (
                f"the total energy changes by {look.conserved - looks[0].conserved:.2g} eV/atom in {look.time:.2f} ps"
            )
            return judged([problem], "", {"time_ps": look.time}, structures=[system])
    times, energies = np.array([(look.time, look.conserved) for look in looks]).T
    energies -= energies[0]
    drift, spread = abs(float(np.polyfit(times, energies, 1)[0])), float(energies.std())
    mean = float(np.mean([look.temperature for look in looks]))
    numbers = {
        "drift_eV_per_atom_per_ps": drift,
        "fluctuation_eV_per_atom": spread,
        "temperature_K": mean,
        "time_ps": time,
        "timestep_fs": timestep,
        "n_atoms": len(system),
    }
    problems = [f"the total energy drifts by {drift:.1e} eV/atom/ps ({DRIFT:.0e} allowed)"] if not drift < DRIFT else []
    praise = (
        f"{len(system)} atoms at {mean:.0f} K for {time:g} ps: the total energy drifts by {drift:.0e} "
        f"eV/atom/ps and fluctuates by {spread:.0e} eV/atom"
    )
    return judged(problems, praise, numbers, lambda axis: _plot(times, energies, axis))


def _plot(times: FloatArray, energies: FloatArray, axis: Axes) -> None:
    axis.plot(times, 1e3 * energies, lw=0.7, color="#1b6ca8")
    reach = max(2e3 * float(np.abs(energies).max()), 0.05)
    axis.set(xlabel="time, ps", ylabel="change of total energy, meV/atom", ylim=(-reach, reach), title="NVE")
    tidy(axis)
