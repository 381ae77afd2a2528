"""Molecular dynamics: ASE's integrators in a loop that records, watches, stops cleanly and can be resumed."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from ase import Atoms, units
from ase.md.md import MolecularDynamics

from mlpot.errors import ConfigError, MLPotError
from mlpot.running.outputs import check_output_file
from mlpot.running.stopping import StopRequest, stop_on_signals
from mlpot.simulation.integrators import (
    conserved_energy,
    integrator_state,
    make_integrator,
    restore_integrator,
    start_velocities,
    temperature_of,
)
from mlpot.simulation.md_checks import MDChecks
from mlpot.simulation.records import LogRow, RunFiles, as_identity
from mlpot.simulation.settings import MDSettings

CHECKPOINT_SECONDS = 30.0
"""Longest time of work that a killed run loses."""


@dataclass(frozen=True)
class MDResult:
    """Outcome of a run; averages are over its recorded frames, those before a restart included.

    Attributes
    ----------
    atoms : ase.Atoms
        Last frame.
    steps : int
        Steps done.
    interrupted : bool
        Stopped by Ctrl-C or SIGTERM before the end; can be resumed.
    temperature : float, K
        Mean.
    pressure : float, GPa
        Mean; NaN without three periodic directions.
    volume : float, A^3
        Mean; NaN without three periodic directions.
    energy_drift : float, eV/atom/ps
        Slope of a straight line through the conserved energy; NaN for fewer than three frames.
    rate : float, atoms*steps/s
        Of this session; NaN without a step.
    trajectory, log, checkpoint : Path
    """

    atoms: Atoms
    steps: int
    interrupted: bool
    temperature: float
    pressure: float
    volume: float
    energy_drift: float
    rate: float
    trajectory: Path
    log: Path
    checkpoint: Path


def run_md(
    atoms: Atoms,
    settings: MDSettings,
    trajectory: str | Path,
    *,
    restart: bool = False,
    on_step: Callable[[int], None] | None = None,
) -> MDResult:
    """Run molecular dynamics.

    Beside the trajectory, ``name.csv`` receives one line a frame, and ``name.checkpoint.npz`` what a restart needs,
    twice a minute and at the end. A run that fails leaves ``name.failed.xyz`` and ``name.last-good.xyz``.

    Parameters
    ----------
    atoms : ase.Atoms
        With a calculator; ends as the last frame. Atoms at rest get velocities of the temperature; the center of mass
        is kept at rest.
    settings : MDSettings
    trajectory : str or Path
        ``.xyz`` or ``.traj``; must not exist, unless `restart`.
    restart : bool
        Continue the run that wrote `trajectory`: same start structure, calculator and settings, but for `steps`. The
        result is that of an uninterrupted run, to the last bit on the same machine.
    on_step : callable, optional
        Called with the number of each completed step.


    Raises
    ------
    EngineError
        The run blew up or lost an atom.
    ConfigError
        Files that exist, settings that contradict the system or the checkpoint.

    Examples
    --------
    >>> import mlpot
    >>> from ase.build import bulk
    >>> atoms = bulk("Si", cubic=True)
    >>> atoms.calc = mlpot.load("Si-dft/fast")
    >>> result = run_md(atoms, MDSettings("nvt", steps=20, temperature=300.0), "silicon.xyz")
    >>> result.steps, result.interrupted, result.trajectory.name
    (20, False, 'silicon.xyz')
    """
    if atoms.calc is None:
        raise ConfigError("`atoms` must carry a calculator: atoms.calc = mlpot.load(...)")
    files = RunFiles(Path(trajectory))
    check_output_file(files.trajectory)
    if not restart:
        files.refuse_existing()
    run = _Run(atoms, settings, files, restart)
    begin, first = time.perf_counter(), run.step
    with stop_on_signals(StopRequest()) as request:
        interrupted = run.loop(on_step or (lambda step: None), lambda: request.reason() is not None)
    rate = (run.step - first) * len(atoms) / (time.perf_counter() - begin) if run.step > first else float("nan")
    return _summary(run, interrupted, rate)


class _Run:
    """State of a run between its steps."""

    def __init__(self, atoms: Atoms, settings: MDSettings, files: RunFiles, restart: bool) -> None:
        self.atoms, self.settings, self.files = atoms, settings, files
        self.rng = np.random.default_rng(settings.seed)
        self.identity = _identity(atoms, settings)
        self.step = self.n_frames = 0
        saved: dict[str, Any] = {}
        if restart:
            saved = self._load()
        else:
            start_velocities(atoms, settings, self.rng)
        self.integrator: MolecularDynamics = make_integrator(atoms, settings, self.rng)
        if restart:
            restore_integrator(self.integrator, saved)
        self.checks = MDChecks(atoms, settings, files)
        self.saved_at = time.monotonic()

    def loop(self, on_step: Callable[[int], None], stopped: Callable[[], bool]) -> bool:
        """Do all steps that are left; whether it was stopped before the end."""
        if self.n_frames == 0:
            self._record()
        with np.errstate(over="ignore", invalid="ignore"):  # the checks report these
            steps = self.integrator.irun(self.settings.steps - self.step)
            next(steps, None)  # the step where we are
            while self.step < self.settings.steps and not stopped():
                self._advance(steps)
                on_step(self.step)
        self._checkpoint()
        return self.step < self.settings.steps

    def _advance(self, steps: Iterator[bool]) -> None:
        try:
            next(steps)
        except MLPotError as error:
            self.checks.stop(self.atoms, self.step + 1, str(error))
        self.step += 1
        self.checks.check_step(self.atoms, self.step)
        if self.step % self.settings.interval == 0:
            self.checks.check_frame(self.atoms, self.step)
            self._record()
        if time.monotonic() - self.saved_at > CHECKPOINT_SECONDS:
            self._checkpoint()

    def _record(self) -> None:
        self.files.append(self.atoms, _log_row(self.integrator, self.step, self.settings.timestep))
        self.n_frames += 1

    def _checkpoint(self) -> None:
        atoms = self.atoms
        arrays = {"positions": atoms.positions, "momenta": atoms.get_momenta(), "cell": atoms.cell.array}
        arrays |= {f"integrator.{name}": value for name, value in integrator_state(self.integrator).items()}
        progress = {"step": self.step, "rng": json.dumps(self.rng.bit_generator.state)}
        self.files.save_checkpoint(self.identity | progress, self.n_frames, arrays)
        self.saved_at = time.monotonic()

    def _load(self) -> dict[str, Any]:
        """Put atoms, random numbers and counters back; the numbers of the integrator are returned."""
        identity, self.n_frames, arrays = self.files.load_checkpoint()
        self.step = identity.pop("step")
        self.rng.bit_generator.state = json.loads(identity.pop("rng"))
        for name, value in self.identity.items():
            if identity.get(name) != value:
                _refuse_restart(name, identity.get(name), value)
        self.atoms.set_cell(arrays["cell"])
        self.atoms.positions = arrays["positions"]
        self.atoms.set_momenta(arrays["momenta"], apply_constraint=False)
        prefix = "integrator."
        return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _identity(atoms: Atoms, settings: MDSettings) -> dict[str, Any]:
    """Collect what must be the same when a run is resumed."""
    identity = as_identity(replace(settings, steps=0))
    identity["numbers"] = atoms.numbers.tolist()
    identity["masses"] = atoms.get_masses().tolist()
    identity["pbc"] = atoms.pbc.tolist()
    identity["constraints"] = [repr(constraint) for constraint in atoms.constraints]
    identity["model"] = getattr(atoms.calc, "sha256", type(atoms.calc).__name__)
    return identity


def _refuse_restart(name: str, before: object, now: object) -> NoReturn:
    raise ConfigError(
        f"cannot restart: `{name}` was {str(before)[:60]} and is {str(now)[:60]} now. Restart with what the run was "
        "started with (only `steps` may change), or begin a new run from its last frame"
    )


def _log_row(integrator: MolecularDynamics, step: int, timestep: float) -> LogRow:
    atoms: Atoms = integrator.atoms
    potential = atoms.get_potential_energy(force_consistent=True)
    pressure = volume = float("nan")
    if atoms.pbc.all():
        volume = atoms.get_volume()
        if "stress" in atoms.calc.implemented_properties:
            stress = atoms.get_stress(voigt=False, include_ideal_gas=True)
            pressure = float(-np.trace(stress) / 3 / units.GPa)
    return LogRow(
        step=step,
        time=step * timestep,
        temperature=temperature_of(atoms),
        potential_energy=float(potential),
        kinetic_energy=float(atoms.get_kinetic_energy()),
        conserved_energy=conserved_energy(integrator),
        pressure=pressure,
        volume=float(volume),
    )


def _summary(run: _Run, interrupted: bool, rate: float) -> MDResult:
    rows = list(run.files.rows())
    means = {
        name: float(np.mean([getattr(row, name) for row in rows])) for name in ("temperature", "pressure", "volume")
    }
    drift = float("nan")
    if len(rows) >= 3:
        times = np.array([row.time for row in rows]) / 1000.0
        energies = np.array([row.conserved_energy for row in rows])
        drift = float(np.polyfit(times - times.mean(), energies - energies.mean(), 1)[0] / max(len(run.atoms), 1))
    return MDResult(
        atoms=run.atoms,
        steps=run.step,
        interrupted=interrupted,
        energy_drift=drift,
        rate=rate,
        trajectory=run.files.trajectory,
        log=run.files.log,
        checkpoint=run.files.checkpoint,
        **means,
    )
