"""Exploration trajectories in ASE: dynamics with the potential, until its uncertainty is too large.

Temperature and pressure rise in steps along a trajectory. Every few time steps the force intervals are checked: frames
with one above the target are kept as candidates, and the trajectory ends where one is so large that the dynamics is
meaningless. One frame is drawn at random from all checked ones: a sample of the conditions that trajectories reach.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ase import Atoms
from ase.md.md import MolecularDynamics

from mlpot.active_learning.config import ExploreSettings
from mlpot.active_learning.exploration.bias import BiasedCalculator
from mlpot.active_learning.initial.structures import SMALL_RATTLE, InitialState
from mlpot.active_learning.selection.cutout import cut_out
from mlpot.active_learning.selection.sanity import unphysical
from mlpot.active_learning.selection.uncertainty_model import UncertaintyModel
from mlpot.active_learning.store.trajectories import Ending
from mlpot.data.structure import FloatArray
from mlpot.errors import DataError, MLPotError
from mlpot.simulation import MDSettings
from mlpot.simulation.integrators import make_integrator, start_velocities

RAMP_STEPS = 10
"""Constant temperatures and pressures that a ramp consists of."""

BAROSTAT_TIME = 300.0  # fs; cells are small and trajectories short


@dataclass(frozen=True, eq=False)
class Frame:
    """A frame of a trajectory.

    Attributes
    ----------
    atoms : ase.Atoms
        What is labelled: the whole frame, or the part that was cut out of it.
    details : dict
        See `store.trajectories.FrameRecord`.
    """

    atoms: Atoms
    details: dict[str, Any]


@dataclass(eq=False)
class Trajectory:
    """An exploration trajectory; see `store.trajectories.TrajectoryRecord` for what is not described here.

    Attributes
    ----------
    frames : list of Frame
        Uncertain frames.
    random_frame : Frame or None
    stopped : bool
        It ended because of `stop`, and must be repeated.
    """

    start: str
    frames: list[Frame] = field(default_factory=list)
    random_frame: Frame | None = None
    picoseconds: float = 0.0
    n_checks: int = 0
    expected_fraction: float = 0.0
    ending: Ending = field(default_factory=Ending)
    left_out: list[str] = field(default_factory=list)
    stopped: bool = False

    def cut(self, frame: Frame, intervals: FloatArray, max_atoms: int, cutoff: float) -> Frame | None:
        """Cut out what can be labelled (see `within_size`); None, and a reason in `left_out`, if nothing can."""
        try:
            return within_size(frame, intervals, max_atoms, cutoff)
        except DataError as error:
            self.left_out.append(str(error))
            return None

    def finish(self, fractions: list[float]) -> None:
        """Set the mean of the expected fractions of all checks, and the ending of a trajectory without any frame."""
        self.expected_fraction = float(np.mean(fractions)) if fractions else 0.0
        if self.left_out and not self.frames and self.random_frame is None:
            self.ending = Ending("failed", self.left_out[0])


def run_trajectory(
    model: UncertaintyModel,
    state: InitialState,
    settings: ExploreSettings,
    target: float,
    rng: np.random.Generator,
    stop: Callable[[], bool] = lambda: False,
) -> Trajectory:
    """Run one trajectory in ASE.

    Parameters
    ----------
    model : UncertaintyModel
    state : InitialState
    settings : ExploreSettings
    target : float, eV/A
        Frames with a larger force interval are candidates for labelling.
    rng : numpy.random.Generator
        The same generator gives the same trajectory, to the last bit on the same machine.
    stop : callable
        Called at every check; True ends the trajectory.
    """
    atoms = state.atoms.copy()
    atoms.positions += rng.normal(scale=SMALL_RATTLE, size=atoms.positions.shape)
    atoms.calc = BiasedCalculator(model.calculator, settings.bias) if settings.bias else model.calculator
    monitor = _Monitor(model, Trajectory(state.kind), settings, target, rng)
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # `unphysical` reports an exploding trajectory
            monitor.check(atoms, 0.0, settings.temperature[0])
            for steps, temperature in _advance(atoms, state.kind, settings, rng):
                if stop():
                    monitor.trajectory.stopped = True
                    break
                if monitor.check(atoms, 1e-3 * settings.timestep * steps, temperature):
                    break
    except MLPotError as error:
        monitor.trajectory.ending = Ending("failed", str(error))
    return monitor.finish()


def _advance(
    atoms: Atoms, kind: str, settings: ExploreSettings, rng: np.random.Generator
) -> Iterator[tuple[int, float]]:
    """Run the dynamics along the ramp; yields the number of time steps and the temperature at every check."""
    n_checks = settings.n_checks
    n_steps = min(RAMP_STEPS, n_checks)
    integrators = _ramp(atoms, kind, settings, n_steps, rng)
    current, steps = -1, 0
    for check in range(n_checks):
        if check * n_steps // n_checks != current:
            current = check * n_steps // n_checks
            integrator, temperature = next(integrators)
        integrator.run(settings.interval)
        steps += settings.interval
        yield steps, temperature


def _ramp(
    atoms: Atoms, kind: str, settings: ExploreSettings, n_steps: int, rng: np.random.Generator
) -> Iterator[tuple[MolecularDynamics, float]]:
    """Integrator and temperature of each step of the ramp; only cells of bulk structures change."""
    pressure = settings.pressure if atoms.pbc.all() and kind != "slab" else None
    for step in range(n_steps):
        part = step / max(1, n_steps - 1)
        md = MDSettings(
            "nvt" if pressure is None else "npt",
            steps=0,
            timestep=settings.timestep,
            temperature=between(settings.temperature, part),
            pressure=0.0 if pressure is None else between(pressure, part),
            barostat_time=BAROSTAT_TIME,
        )
        if step == 0:
            start_velocities(atoms, md, rng)
        yield make_integrator(atoms, md, rng), between(settings.temperature, part)


def between(ends: tuple[float, float], part: float) -> float:
    """Value of a linear ramp at a fraction of its length."""
    return ends[0] + part * (ends[1] - ends[0])


class _Monitor:
    """Checks the uncertainty along a trajectory and keeps candidates for labelling."""

    def __init__(
        self,
        model: UncertaintyModel,
        trajectory: Trajectory,
        settings: ExploreSettings,
        target: float,
        rng: np.random.Generator,
    ) -> None:
        self.model, self.trajectory, self.settings, self.target, self.rng = model, trajectory, settings, target, rng
        self._limit = settings.max_uncertainty_factor * target
        self._spacing = self._since = 1
        self._fractions: list[float] = []

    def check(self, atoms: Atoms, time: float, temperature: float) -> bool:
        """Check a frame; True if the trajectory must end."""
        bare = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell.array, pbc=atoms.pbc)
        problem = unphysical(bare)
        if problem is not None:
            self.trajectory.ending = Ending("unphysical", problem)
            self._keep(Frame(bare, {"time": time, "temperature": temperature, "unphysical": problem}))
            return True
        intervals = self.model.force_intervals(bare)
        largest = float(intervals.max())
        if self.trajectory.n_checks == 0:
            self._limit = uncertainty_limit(intervals, self.settings.max_uncertainty_factor, self.target)
        self.trajectory.n_checks, self.trajectory.picoseconds = self.trajectory.n_checks + 1, time
        frame = Frame(bare, {"time": time, "temperature": temperature, "force_interval": largest})
        too_uncertain = not largest <= self._limit
        self._fractions.append(
            0.0 if too_uncertain else float(self.model.expected_fraction(intervals, self.target).mean())
        )
        if too_uncertain:
            self.trajectory.ending = too_uncertain_ending(largest, time)
        elif self.rng.random() < 1.0 / self.trajectory.n_checks:
            self.trajectory.random_frame = self._cut(frame, intervals) or self.trajectory.random_frame
        if largest > self.target:
            self._since += 1
            if self._since >= self._spacing or too_uncertain:
                self._keep(self._cut(frame, intervals))
        return too_uncertain

    def finish(self) -> Trajectory:
        """Return the finished trajectory."""
        self.trajectory.finish(self._fractions)
        return self.trajectory

    def _keep(self, frame: Frame | None) -> None:
        """Keep a frame; when there are too many, remove every other one and double the spacing."""
        if frame is None:
            return
        self._since = 0
        self.trajectory.frames.append(frame)
        if len(self.trajectory.frames) > self.settings.frames:
            self.trajectory.frames = self.trajectory.frames[len(self.trajectory.frames) % 2 == 0 :: 2]
            self._spacing *= 2

    def _cut(self, frame: Frame, intervals: FloatArray) -> Frame | None:
        return self.trajectory.cut(frame, intervals, self.settings.max_atoms, self.model.cutoff)


def too_uncertain_ending(largest: float, picoseconds: float) -> Ending:
    """Make the ending of a trajectory with a force interval (eV/A) above the limit."""
    return Ending("uncertain", f"a force interval of {largest:.3g} eV/A after {picoseconds:.3g} ps")


def uncertainty_limit(intervals: FloatArray, factor: float, target: float) -> float:
    """Force interval above which a trajectory ends.

    An early potential is far from the target everywhere. Therefore the limit is at least a multiple of the median of
    the first frame; otherwise every trajectory would end at its first check.

    Parameters
    ----------
    intervals : (n_atoms,), eV/A
        Of the first frame.
    factor : float
        `ExploreSettings.max_uncertainty_factor`.
    target : float, eV/A

    Returns
    -------
    float, eV/A
        NaN if an interval is NaN; then every frame is too uncertain.
    """
    return factor * float(np.maximum(target, np.median(intervals)))


def within_size(frame: Frame, intervals: FloatArray, max_atoms: int, cutoff: float) -> Frame:
    """Part of a frame that is small enough for DFT, around the atom with the largest force interval.

    Parameters
    ----------
    frame : Frame
    intervals : (n_atoms,), eV/A
    max_atoms : int
    cutoff : float, A
        Of the potential.

    Returns
    -------
    Frame
        The frame itself if it is small enough; else the part, with its description in the details.

    Raises
    ------
    DataError
        No part is small enough, or the best one is unphysical at its boundary.
    """
    if len(frame.atoms) <= max_atoms:
        return frame
    try:
        part = cut_out(frame.atoms, intervals, max_atoms=max_atoms, radius=cutoff)
        problem = unphysical(part.atoms)
        if problem is not None:
            raise DataError(f"the best one is {part.summary(len(frame.atoms))}, where {problem}")
    except DataError as error:
        raise DataError(
            f"no part of a frame of {len(frame.atoms)} atoms can be cut out ({error}): raise explore.max_atoms, or "
            "explore smaller cells"
        ) from error
    cut = {"cut": part.summary(len(frame.atoms)), "core": np.flatnonzero(part.core).tolist()}
    return Frame(part.atoms, frame.details | cut)
