"""Molecular dynamics of the checks, in ASE or in LAMMPS, as generators of snapshots.

Nothing is written; the caller ends a run by not requesting the next snapshot.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator

from mlpot import lammps
from mlpot.calculator import MLPotCalculator
from mlpot.errors import EngineError
from mlpot.neighbors.matscipy import neighbor_list
from mlpot.simulation import MDSettings
from mlpot.simulation.integrators import conserved_energy, make_integrator, start_velocities, temperature_of
from mlpot.validation.engines import write_data
from mlpot.validation.samples import closeness

INTERVAL = 20
"""Steps between two snapshots."""

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
thermo          {interval}
run             0
"""


class Snapshot(NamedTuple):
    """State of a run.

    Attributes
    ----------
    time : float, ps
    temperature : float, K
    potential, conserved : float, eV/atom
        Conserved: total energy minus the heat from the thermostat.
    closeness : float
        Smallest distance over the sum of the covalent radii.
    isolated : int
        Atoms without neighbor inside the `lost_distance` of the settings.
    """

    time: float
    temperature: float
    potential: float
    conserved: float
    closeness: float
    isolated: int


def ase_run(atoms: Atoms, calculator: Calculator, settings: MDSettings) -> Iterator[Snapshot]:
    """Run with ASE's integrators.

    Parameters
    ----------
    atoms : ase.Atoms
        Moves with the run.
    calculator : ase.calculators.calculator.Calculator
    settings : MDSettings

    Yields
    ------
    Snapshot
        Every `INTERVAL` steps.
    """
    rng = np.random.default_rng(settings.seed)
    atoms.calc = calculator
    start_velocities(atoms, settings, rng)
    integrator = make_integrator(atoms, settings, rng)
    for done in range(INTERVAL, settings.steps + 1, INTERVAL):
        with np.errstate(over="ignore", invalid="ignore"):  # reported from the snapshot
            integrator.run(INTERVAL)
        energies = (atoms.get_potential_energy() / len(atoms), conserved_energy(integrator) / len(atoms))
        yield _snapshot(atoms, settings, done * settings.timestep / 1000, temperature_of(atoms), *energies)


def lammps_run(atoms: Atoms, calculator: MLPotCalculator, settings: MDSettings) -> Iterator[Snapshot]:
    """Run NVT dynamics in LAMMPS, inside this process.

    Parameters
    ----------
    atoms : ase.Atoms
        Periodic in three directions, of `in_a_box`; moves with the run.
    calculator : MLPotCalculator
    settings : MDSettings

    Yields
    ------
    Snapshot
        Every `INTERVAL` steps.
    """
    elements = sorted(set(atoms.symbols))
    with tempfile.TemporaryDirectory() as folder:
        write_data(Path(folder) / "start.data", atoms, elements)
        script = SCRIPT.format(
            data=Path(folder) / "start.data",
            model=calculator.parameters["path"],
            elements=" ".join(elements),
            temperature=settings.temperature,
            thermostat_time=settings.thermostat_time / 1000,
            timestep=settings.timestep / 1000,
            seed=settings.seed + 1,
            interval=INTERVAL,
        )
        engine = lammps.lammps(cmdargs=["-screen", "none", "-log", "none"])
        try:
            _command(engine, script)
            for done in range(INTERVAL, settings.steps + 1, INTERVAL):
                _command(engine, f"run {INTERVAL} pre no post no")
                atoms.positions = np.ctypeslib.as_array(engine.gather_atoms("x", 1, 3)).reshape(-1, 3)
                temperature, potential, conserved = (engine.get_thermo(name) for name in ("temp", "pe", "econserve"))
                energies = (potential / len(atoms), conserved / len(atoms))
                yield _snapshot(atoms, settings, done * settings.timestep / 1000, temperature, *energies)
        finally:
            engine.close()


def _command(engine: Any, text: str) -> None:  # noqa: ANN401  # LAMMPS has no types
    try:
        engine.commands_string(text)
    except Exception as error:  # of any type
        raise EngineError(f"LAMMPS stopped: {error}") from error


def _snapshot(
    atoms: Atoms, settings: MDSettings, time: float, temperature: float, potential: float, conserved: float
) -> Snapshot:
    isolated = 0
    if settings.lost_distance is not None and len(atoms) > 1:
        isolated = len(atoms) - len(np.unique(neighbor_list(atoms, settings.lost_distance)[0]))
    return Snapshot(time, temperature, potential, conserved, closeness(atoms), isolated)
