"""Energy conservation: dynamics without thermostat, whose total energy must not drift."""

import tempfile
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from matplotlib.axes import Axes

from mlpot.check.samples import enlarged, timestep_for
from mlpot.check.verdict import OnProgress, Verdict, judged
from mlpot.figures import tidy
from mlpot.neighbors import FloatArray
from mlpot.simulation import MDSettings, run_md

DRIFT = 1e-5
"""Largest drift of the total energy, eV/atom/ps."""


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
    with tempfile.TemporaryDirectory() as folder:
        result = run_md(system, settings, Path(folder) / "nve.xyz", on_step=lambda step: progress(step / steps))
        times, energies = np.loadtxt(result.log, delimiter=",", skiprows=1, usecols=(1, 5), unpack=True)
    if result.interrupted:
        raise KeyboardInterrupt
    energies = (energies - energies[0]) / len(system)
    drift, spread = abs(result.energy_drift), float(energies.std())
    numbers = {
        "drift_eV_per_atom_per_ps": drift,
        "fluctuation_eV_per_atom": spread,
        "temperature_K": result.temperature,
        "time_ps": time,
        "timestep_fs": timestep,
        "n_atoms": len(system),
    }
    problems = [f"the total energy drifts by {drift:.1e} eV/atom/ps ({DRIFT:.0e} allowed)"] if not drift < DRIFT else []
    praise = (
        f"{len(system)} atoms at {result.temperature:.0f} K for {time:g} ps: the total energy drifts by {drift:.0e} "
        f"eV/atom/ps and fluctuates by {spread:.0e} eV/atom"
    )
    return judged(problems, praise, numbers, lambda axis: _plot(times / 1000, energies, axis))


def _plot(times: FloatArray, energies: FloatArray, axis: Axes) -> None:
    axis.plot(times, 1e3 * energies, lw=0.7, color="#1b6ca8")
    reach = max(2e3 * float(np.abs(energies).max()), 0.05)
    axis.set(xlabel="time, ps", ylabel="change of total energy, meV/atom", ylim=(-reach, reach), title="NVE")
    tidy(axis)
