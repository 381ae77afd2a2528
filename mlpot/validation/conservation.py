"""Energy conservation: the total energy of MD without thermostat must not drift."""

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from matplotlib.axes import Axes

from mlpot.neighbors.matscipy import FloatArray
from mlpot.plotting import tidy
from mlpot.simulation import MDSettings
from mlpot.validation.result import CheckResult, OnProgress, passed_or_failed
from mlpot.validation.runs import ase_run
from mlpot.validation.samples import enlarged, timestep_for

DRIFT = 1e-5
"""Largest drift of the total energy, eV/atom/ps."""

LOST = 0.05
"""The run ends where its total energy has changed by more (eV/atom)."""


def check_conservation(
    atoms: Atoms,
    calculator: Calculator,
    progress: OnProgress,
    *,
    temperature: float,
    time: float = 10.0,
) -> CheckResult:
    """Run NVE dynamics and fit a straight line through the total energy.

    Parameters
    ----------
    atoms : ase.Atoms
        Relaxed.
    calculator : ase.calculators.calculator.Calculator
        In float64.
    progress : callable
    temperature : float, K
        Of the initial velocities; the run settles at about half of it.
    time : float, ps

    Returns
    -------
    CheckResult
    """
    system = enlarged(atoms, 60)
    system.calc = calculator
    timestep = timestep_for(atoms)
    steps = round(1000 * time / timestep)
    settings = MDSettings("nve", steps=steps, timestep=timestep, temperature=temperature)
    snapshots = []
    for snapshot in ase_run(system, calculator, settings):
        snapshots.append(snapshot)
        progress(snapshot.time / time)
        change = snapshot.conserved - snapshots[0].conserved
        if not abs(change) < LOST:
            problem = f"the total energy changes by {change:.2g} eV/atom in {snapshot.time:.2f} ps"
            return passed_or_failed([problem], "", {"time_ps": snapshot.time}, structures=[system])
    times, energies = np.array([(snapshot.time, snapshot.conserved) for snapshot in snapshots]).T
    energies -= energies[0]
    drift, spread = abs(float(np.polyfit(times, energies, 1)[0])), float(energies.std())
    mean = float(np.mean([snapshot.temperature for snapshot in snapshots]))
    numbers = {
        "drift_eV_per_atom_per_ps": drift,
        "fluctuation_eV_per_atom": spread,
        "temperature_K": mean,
        "time_ps": time,
        "timestep_fs": timestep,
        "n_atoms": len(system),
    }
    problems = [f"the total energy drifts by {drift:.1e} eV/atom/ps ({DRIFT:.0e} allowed)"] if not drift < DRIFT else []
    summary = (
        f"{len(system)} atoms at {mean:.0f} K for {time:g} ps: the total energy drifts by {drift:.0e} "
        f"eV/atom/ps and fluctuates by {spread:.0e} eV/atom"
    )
    return passed_or_failed(problems, summary, numbers, lambda axis: _plot(times, energies, axis))


def _plot(times: FloatArray, energies: FloatArray, axis: Axes) -> None:
    axis.plot(times, 1e3 * energies, lw=0.7, color="#1b6ca8")
    reach = max(2e3 * float(np.abs(energies).max()), 0.05)
    axis.set(xlabel="time, ps", ylabel="change of total energy, meV/atom", ylim=(-reach, reach), title="NVE")
    tidy(axis)
