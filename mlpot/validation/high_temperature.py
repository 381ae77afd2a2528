"""High-temperature MD: a long run far above the melting point, in LAMMPS or ASE, without unphysical events."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ase import Atoms
from matplotlib.axes import Axes

from mlpot.calculator import MLPotCalculator
from mlpot.errors import MLPotError
from mlpot.plotting import tidy
from mlpot.simulation import MDSettings
from mlpot.validation.engines import in_a_box, lammps_is_missing
from mlpot.validation.result import CheckResult, OnProgress, passed_or_failed
from mlpot.validation.runs import INTERVAL, Snapshot, ase_run, lammps_run
from mlpot.validation.samples import enlarged, timestep_for
from mlpot.validation.short_range import CORE

STEP = 0.05
"""Largest change of the conserved energy between two snapshots, eV/atom."""


@dataclass
class RunMonitor:
    """Snapshots of a run, and what is unphysical in them.

    Parameters
    ----------
    n_atoms : int
    temperature : float, K
        Of the thermostat.
    ground_energy : float, eV/atom
        Of the relaxed structure.
    is_lowest : bool
        No snapshot may lie below it: true for a crystal; a molecule may turn into a more stable one.
    """

    n_atoms: int
    temperature: float
    ground_energy: float
    is_lowest: bool
    snapshots: list[Snapshot] = field(default_factory=list)

    def add(self, snapshot: Snapshot) -> list[str]:
        """Add a snapshot and return what is unphysical in it, compared with the one before."""
        before = self.snapshots[-1] if self.snapshots else snapshot
        self.snapshots.append(snapshot)
        # Ten standard deviations of the temperature of so many atoms.
        hottest = self.temperature * (1.0 + 10.0 * np.sqrt(2.0 / (3.0 * self.n_atoms)))
        jump, depth = snapshot.conserved - before.conserved, self.ground_energy - snapshot.potential
        # Comparisons are written so that NaN is an event.
        events = {
            f"two atoms are at {snapshot.closeness:.2f} of their covalent contact ({CORE} allowed)": snapshot.closeness
            < CORE,
            f"the temperature is {snapshot.temperature:.0f} K, beyond all fluctuations": not snapshot.temperature
            < hottest,
            f"the conserved energy jumps by {jump:.3g} eV/atom": not abs(jump) < STEP,
            f"the potential energy lies {depth:.3f} eV/atom below the relaxed structure": self.is_lowest and depth > 0,
            f"{snapshot.isolated} atoms have lost all neighbors": snapshot.isolated > 0,
        }
        return [text for text, happened in events.items() if happened]

    def columns(self) -> dict[str, Any]:
        """Columns of all snapshots."""
        names = ("time_ps", "temperature_K", "potential_eV_per_atom", "conserved_eV_per_atom", "closeness", "isolated")
        return dict(zip(names, np.array(self.snapshots).reshape(-1, len(names)).T, strict=True))

    def plot(self, axis: Axes) -> None:
        """Draw the energies against time."""
        columns = self.columns()
        potential = columns["potential_eV_per_atom"] - self.ground_energy
        axis.plot(columns["time_ps"], potential, lw=0.8, color="#1b6ca8", label="potential, above the relaxed")
        drift = columns["conserved_eV_per_atom"] - columns["conserved_eV_per_atom"][:1]
        axis.plot(columns["time_ps"], drift, lw=0.8, color="#3a7d44", label="conserved, change")
        axis.set(xlabel="time, ps", ylabel="energy, eV/atom", title=f"NVT at {self.temperature:.0f} K")
        axis.legend(frameon=False, fontsize=8)
        tidy(axis)


def check_high_temperature(
    atoms: Atoms,
    calculator: MLPotCalculator,
    progress: OnProgress,
    *,
    temperature: float,
    time: float,
    ground_energy: float,
) -> CheckResult:
    """Run NVT MD at a temperature that leads out of the training domain.

    Parameters
    ----------
    atoms : ase.Atoms
        Relaxed. Crystals run in LAMMPS where it is installed.
    calculator : MLPotCalculator
    progress : callable
    temperature : float, K
    time : float, ps
    ground_energy : float, eV/atom
        Of `atoms`; the potential energy of a crystal must stay above it.

    Returns
    -------
    CheckResult
    """
    system = enlarged(atoms, 100)
    timestep = timestep_for(atoms)
    steps = max(INTERVAL, round(1000 * time / timestep))
    reach = calculator.manifest.cutoff
    settings = MDSettings("nvt", steps=steps, timestep=timestep, temperature=temperature, lost_distance=reach)
    in_lammps = bool(atoms.pbc.all()) and lammps_is_missing() is None
    if in_lammps:
        system = in_a_box(system)
    monitor = RunMonitor(len(system), temperature, ground_energy, is_lowest=bool(atoms.pbc.all()))
    problems: list[str] = []
    try:
        for snapshot in (lammps_run if in_lammps else ase_run)(system, calculator, settings):
            problems = monitor.add(snapshot)
            progress(min(1.0, snapshot.time / time))
            if problems:
                break
    except MLPotError as error:
        problems = [str(error)]
    reached = monitor.snapshots[-1].time if monitor.snapshots else 0.0
    where = f"{len(system)} atoms at {temperature:.0f} K in {'LAMMPS' if in_lammps else 'ASE'}"
    columns = monitor.columns()
    closest = float(columns["closeness"].min(initial=np.inf))
    summary = f"{time:g} ps of {where}: nothing unphysical, atoms come as close as {closest:.2f} of covalent contact"
    found = [f"after {reached:.2f} of {time:g} ps of {where} {text}" for text in problems]
    return passed_or_failed(found, summary, columns, monitor.plot, structures=[system])
