"""Long dynamics far above the melting point, in LAMMPS or ASE, watched for everything that no material does."""

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
from mlpot.validation.result import OnProgress, Verdict, judged
from mlpot.validation.runs import LOOK, Look, ase_run, lammps_run
from mlpot.validation.samples import enlarged, timestep_for
from mlpot.validation.short_range import CORE

STEP = 0.05
"""Largest change of the conserved energy between two looks, eV/atom."""


@dataclass
class Watch:
    """Keeps all looks at a run, and says what is unphysical.

    Parameters
    ----------
    n_atoms : int
    temperature : float, K
        Of the thermostat.
    ground : float, eV/atom
        Of the relaxed structure.
    is_lowest : bool
        Nothing may lie below it: so it is for a crystal, while a molecule may turn into a better one.
    """

    n_atoms: int
    temperature: float
    ground: float
    is_lowest: bool
    looks: list[Look] = field(default_factory=list)

    def see(self, look: Look) -> list[str]:
        """Take one look.

        Parameters
        ----------
        look : Look

        Returns
        -------
        list of str
            What is unphysical.
        """
        before = self.looks[-1] if self.looks else look
        self.looks.append(look)
        # Ten standard deviations of the temperature of so many atoms.
        hottest = self.temperature * (1.0 + 10.0 * np.sqrt(2.0 / (3.0 * self.n_atoms)))
        jump, depth = look.conserved - before.conserved, self.ground - look.potential
        # Written so that what is not a number is an event.
        events = {
            f"two atoms are at {look.closeness:.2f} of their covalent contact ({CORE} allowed)": look.closeness < CORE,
            f"the temperature is {look.temperature:.0f} K, beyond all fluctuations": not look.temperature < hottest,
            f"the conserved energy jumps by {jump:.3g} eV/atom": not abs(jump) < STEP,
            f"the potential energy lies {depth:.3f} eV/atom below the relaxed structure": self.is_lowest and depth > 0,
            f"{look.alone} atoms have lost all neighbours": look.alone > 0,
        }
        return [text for text, happened in events.items() if happened]

    def columns(self) -> dict[str, Any]:
        """Numbers of all looks."""
        names = ("time_ps", "temperature_K", "potential_eV_per_atom", "conserved_eV_per_atom", "closeness", "alone")
        return dict(zip(names, np.array(self.looks).reshape(-1, len(names)).T, strict=True))

    def plot(self, axis: Axes) -> None:
        """Draw the energies against time."""
        columns = self.columns()
        potential = columns["potential_eV_per_atom"] - self.ground
        axis.plot(columns["time_ps"], potential, lw=0.8, color="#1b6ca8", label="potential, above the relaxed")
        drift = columns["conserved_eV_per_atom"] - columns["conserved_eV_per_atom"][:1]
        axis.plot(columns["time_ps"], drift, lw=0.8, color="#3a7d44", label="conserved, change")
        axis.set(xlabel="time, ps", ylabel="energy, eV/atom", title=f"NVT at {self.temperature:.0f} K")
        axis.legend(frameon=False, fontsize=8)
        tidy(axis)


def check_hot(
    atoms: Atoms,
    calculator: MLPotCalculator,
    progress: OnProgress,
    *,
    temperature: float,
    time: float,
    ground: float,
) -> Verdict:
    """Run NVT dynamics at a temperature that takes the model out of what it knows.

    Parameters
    ----------
    atoms : ase.Atoms
        Relaxed. Crystals run in LAMMPS where it is installed.
    calculator : MLPotCalculator
    progress : callable
    temperature : float, K
    time : float, ps
    ground : float, eV/atom
        Of `atoms`; potential energies of a crystal stay above it.

    Returns
    -------
    Verdict
    """
    system = enlarged(atoms, 100)
    timestep = timestep_for(atoms)
    steps = max(LOOK, round(1000 * time / timestep))
    reach = calculator.model.manifest.cutoff
    settings = MDSettings("nvt", steps=steps, timestep=timestep, temperature=temperature, lost_distance=reach)
    in_lammps = bool(atoms.pbc.all()) and lammps_is_missing() is None
    if in_lammps:
        system = in_a_box(system)
    watch = Watch(len(system), temperature, ground, is_lowest=bool(atoms.pbc.all()))
    problems: list[str] = []
    try:
        for look in (lammps_run if in_lammps else ase_run)(system, calculator, settings):
            problems = watch.see(look)
            progress(min(1.0, look.time / time))
            if problems:
                break
    except MLPotError as error:
        problems = [str(error)]
    reached = watch.looks[-1].time if watch.looks else 0.0
    where = f"{len(system)} atoms at {temperature:.0f} K in {'LAMMPS' if in_lammps else 'ASE'}"
    columns = watch.columns()
    closest = float(columns["closeness"].min(initial=np.inf))
    praise = f"{time:g} ps of {where}: nothing unphysical, atoms come as close as {closest:.2f} of covalent contact"
    found = [f"after {reached:.2f} of {time:g} ps of {where} {text}" for text in problems]
    return judged(found, praise, columns, watch.plot, structures=[system])
