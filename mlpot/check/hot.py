"""Long dynamics far above the melting point, in LAMMPS or ASE, watched for everything that no material does."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ase import Atoms
from matplotlib.axes import Axes

from mlpot import lammps
from mlpot.calculator import MLPotCalculator
from mlpot.check.engines import in_a_box, lammps_is_missing, write_data
from mlpot.check.samples import closeness, enlarged, timestep_for
from mlpot.check.short_range import CORE
from mlpot.check.verdict import OnProgress, Verdict, judged
from mlpot.errors import EngineError, MLPotError
from mlpot.figures import tidy
from mlpot.neighbors import neighbor_list
from mlpot.simulation import MDSettings
from mlpot.simulation.integrators import conserved_energy, make_integrator, start_velocities, temperature_of

LOOK = 20
"""Steps between two looks."""

STEP = 0.05
"""Largest change of the conserved energy between two looks, eV/atom."""

SCRIPT = """\
units           metal
boundary        p p p
box             tilt large
read_data       "{data}"
pair_style      mlpot
pair_coeff      * * "{model}" {elements}
velocity        all create {temperature} {seed} mom yes dist gaussian
fix             1 all nve
fix             2 all temp/csvr {temperature} {temperature} {thermostat_time} {seed}
timestep        {timestep}
thermo_style    custom step temp pe etotal econserve
thermo          {look}
run             0
"""


class Look(NamedTuple):
    """State of a run.

    Attributes
    ----------
    time : float, ps
    temperature : float, K
    potential, conserved : float, eV/atom
        Conserved is total energy minus what the thermostat gave.
    closeness : float
        Smallest distance over the sum of the covalent radii.
    alone : int
        Atoms without neighbour inside the cutoff.
    """

    time: float
    temperature: float
    potential: float
    conserved: float
    closeness: float
    alone: int


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
    """

    n_atoms: int
    temperature: float
    ground: float
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
        events = {
            f"two atoms are at {look.closeness:.2f} of their covalent contact ({CORE} allowed)": look.closeness < CORE,
            f"the temperature is {look.temperature:.0f} K, beyond all fluctuations": not look.temperature < hottest,
            f"the conserved energy jumps by {look.conserved - before.conserved:.3g} eV/atom": not abs(
                look.conserved - before.conserved
            )
            < STEP,
            f"the potential energy lies {self.ground - look.potential:.3f} eV/atom below the relaxed structure": not (
                look.potential > self.ground
            ),
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
        Of `atoms`; potential energies stay above it.

    Returns
    -------
    Verdict
    """
    system = enlarged(atoms, 100)
    timestep = timestep_for(atoms)
    steps = max(LOOK, round(1000 * time / timestep))
    settings = MDSettings("nvt", steps=steps, timestep=timestep, temperature=temperature)
    in_lammps = bool(atoms.pbc.all()) and lammps_is_missing() is None
    watch = Watch(len(system), temperature, ground)
    looks = _in_lammps(system, calculator, settings) if in_lammps else _in_ase(system, calculator, settings)
    problems: list[str] = []
    try:
        for look in looks:
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
    return judged(
        [f"after {reached:.2f} of {time:g} ps of {where} {text}" for text in problems], praise, columns, watch.plot
    )


def _in_ase(atoms: Atoms, calculator: MLPotCalculator, settings: MDSettings) -> Iterator[Look]:
    """Run with ASE's integrator; looks every `LOOK` steps."""
    rng = np.random.default_rng(settings.seed)
    atoms.calc = calculator
    start_velocities(atoms, settings, rng)
    integrator = make_integrator(atoms, settings, rng)
    for done in range(LOOK, settings.steps + 1, LOOK):
        with np.errstate(over="ignore", invalid="ignore"):  # reported by the look, and better
            integrator.run(LOOK)
        energies = (atoms.get_potential_energy() / len(atoms), conserved_energy(integrator) / len(atoms))
        yield _look(atoms, calculator, done * settings.timestep / 1000, temperature_of(atoms), *energies)


def _in_lammps(atoms: Atoms, calculator: MLPotCalculator, settings: MDSettings) -> Iterator[Look]:
    """Run LAMMPS inside this process; looks every `LOOK` steps."""
    boxed = in_a_box(atoms)
    elements = sorted(set(atoms.symbols))
    with tempfile.TemporaryDirectory() as folder:
        write_data(Path(folder) / "hot.data", boxed, elements)
        script = SCRIPT.format(
            data=Path(folder) / "hot.data",
            model=calculator.parameters["path"],
            elements=" ".join(elements),
            temperature=settings.temperature,
            thermostat_time=settings.thermostat_time / 1000,
            timestep=settings.timestep / 1000,
            seed=settings.seed + 1,
            look=LOOK,
        )
        engine = lammps.lammps(cmdargs=["-screen", "none", "-log", "none"])
        try:
            _command(engine, script)
            for done in range(LOOK, settings.steps + 1, LOOK):
                _command(engine, f"run {LOOK} pre no post no")
                boxed.positions = np.ctypeslib.as_array(engine.gather_atoms("x", 1, 3)).reshape(-1, 3)
                temperature, potential, conserved = (engine.get_thermo(name) for name in ("temp", "pe", "econserve"))
                energies = (potential / len(atoms), conserved / len(atoms))
                yield _look(boxed, calculator, done * settings.timestep / 1000, temperature, *energies)
        finally:
            engine.close()


def _command(engine: Any, text: str) -> None:  # noqa: ANN401  # LAMMPS has no types
    try:
        engine.commands_string(text)
    except Exception as error:  # all that LAMMPS' own class raises
        raise EngineError(f"LAMMPS stopped: {error}") from error


def _look(
    atoms: Atoms, calculator: MLPotCalculator, time: float, temperature: float, potential: float, conserved: float
) -> Look:
    centers = neighbor_list(atoms, calculator.model.manifest.cutoff)[0]
    alone = len(atoms) - len(np.unique(centers)) if len(atoms) > 1 else 0
    return Look(time, temperature, potential, conserved, closeness(atoms), alone)
