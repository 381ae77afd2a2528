"""Walks: dynamics with the potential, watched by its own error bars, until they say that it no longer knows.

Temperature and pressure rise in a staircase along a walk. Every few steps the error bars are looked at: frames with
one above the target are kept as candidates; the walk ends where one is so large that the dynamics mean nothing. One
frame is drawn at random: what a walk meets on the average.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ase import Atoms
from ase.md.md import MolecularDynamics
from numpy.typing import NDArray

from mlpot.active_learning.config import ExploreSettings
from mlpot.active_learning.exploration.bias import BiasedCalculator
from mlpot.active_learning.exploration.sanity import unphysical
from mlpot.active_learning.initial import SMALL_RATTLE, Start
from mlpot.active_learning.selection.cutout import cut_out
from mlpot.active_learning.selection.uncertainty_model import Judge
from mlpot.data.structure import FloatArray
from mlpot.errors import DataError, MLPotError
from mlpot.simulation import MDSettings
from mlpot.simulation.integrators import make_integrator, start_velocities

STAIRS = 10
"""Constant temperatures and pressures that a ramp is made of."""

BAROSTAT_TIME = 300.0  # fs; cells are small and walks short


@dataclass(frozen=True, eq=False)
class Frame:
    """A frame of a walk.

    Attributes
    ----------
    atoms : ase.Atoms
        What would be labelled: the frame, or what was cut out of it.
    details : dict
        ``time`` (ps), ``temperature`` (K), ``bar`` (eV/A, the largest of its atoms), what was cut.
    """

    atoms: Atoms
    details: dict[str, Any]


@dataclass(eq=False)
class Walk:
    """What came out of a walk.

    Attributes
    ----------
    kind : str
        Of the structure it began from.
    frames : list of Frame
        Uncertain ones.
    control : Frame or None
        Drawn at random from all.
    picoseconds : float
    looks : int
        How often the error bars were looked at.
    expected_share : float
        Part of the force errors expected below the target, mean over all looks; those beyond trust count as zero.
    ended : str
        ``complete``, or why before the end.
    left_out : list of str
        Of each frame that is too large for DFT and could not be cut: why.
    stopped : bool
        It was asked to stop: the walk is to be done again.
    """

    kind: str
    frames: list[Frame] = field(default_factory=list)
    control: Frame | None = None
    picoseconds: float = 0.0
    looks: int = 0
    expected_share: float = 0.0
    ended: str = "complete"
    left_out: list[str] = field(default_factory=list)
    stopped: bool = False

    def cut(self, frame: Frame, bars: FloatArray, max_atoms: int, cutoff: float) -> Frame | None:
        """Cut out of a frame what can be labelled (see `affordable`); None, and a reason more, where nothing can."""
        try:
            return affordable(frame, bars, max_atoms, cutoff)
        except DataError as error:
            self.left_out.append(str(error))
            return None

    def conclude(self, shares: list[float]) -> None:
        """Finish the account.

        Parameters
        ----------
        shares : list of float
            Part of the errors expected below the target, of each look.
        """
        self.expected_share = float(np.mean(shares)) if shares else 0.0
        if self.left_out and not self.frames and self.control is None:
            self.ended = f"failed: {self.left_out[0]}"


def walk(
    judge: Judge,
    start: Start,
    settings: ExploreSettings,
    target: float,
    rng: np.random.Generator,
    stop: Callable[[], bool] = lambda: False,
) -> Walk:
    """Do one walk.

    Parameters
    ----------
    judge : Judge
    start : Start
    settings : ExploreSettings
    target : float, eV/A
        Frames with a larger error bar are worth a label.
    rng : numpy.random.Generator
    stop : callable
        Asked at every look.

    Returns
    -------
    Walk
        The same for the same generator, to the last bit on the same machine.
    """
    atoms = start.atoms.copy()
    atoms.positions += rng.normal(scale=SMALL_RATTLE, size=atoms.positions.shape)
    atoms.calc = BiasedCalculator(judge.calculator, settings.bias) if settings.bias else judge.calculator
    watcher = _Watcher(judge, Walk(start.kind), settings, target, rng)
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # a walk that explodes is noticed, and better reported
            watcher.look(atoms, 0.0, settings.temperature[0])
            for steps, temperature in _advance(atoms, start.kind, settings, rng):
                if stop():
                    watcher.walk.stopped = True
                    break
                if watcher.look(atoms, 1e-3 * settings.timestep * steps, temperature):
                    break
    except MLPotError as error:
        watcher.walk.ended = f"failed: {error}"
    return watcher.conclude()


def _advance(
    atoms: Atoms, kind: str, settings: ExploreSettings, rng: np.random.Generator
) -> Iterator[tuple[int, float]]:
    """Move atoms along the ramp; steps so far and the temperature, at every look."""
    n_looks = settings.looks
    n_stairs = min(STAIRS, n_looks)
    integrators = _staircase(atoms, kind, settings, n_stairs, rng)
    stair, steps = -1, 0
    for look in range(n_looks):
        if look * n_stairs // n_looks != stair:
            stair = look * n_stairs // n_looks
            integrator, temperature = next(integrators)
        integrator.run(settings.interval)
        steps += settings.interval
        yield steps, temperature


def _staircase(
    atoms: Atoms, kind: str, settings: ExploreSettings, n_stairs: int, rng: np.random.Generator
) -> Iterator[tuple[MolecularDynamics, float]]:
    """Integrator and temperature of each stair; cells move where they are those of a bulk."""
    pressure = settings.pressure if atoms.pbc.all() and kind != "slab" else None
    for stair in range(n_stairs):
        part = stair / max(1, n_stairs - 1)
        md = MDSettings(
            "nvt" if pressure is None else "npt",
            steps=0,
            timestep=settings.timestep,
            temperature=between(settings.temperature, part),
            pressure=0.0 if pressure is None else between(pressure, part),
            barostat_time=BAROSTAT_TIME,
        )
        if stair == 0:
            start_velocities(atoms, md, rng)
        yield make_integrator(atoms, md, rng), between(settings.temperature, part)


def between(ends: tuple[float, float], part: float) -> float:
    """Value of a ramp at a part of its length."""
    return ends[0] + part * (ends[1] - ends[0])


class _Watcher:
    """Looks at the error bars along a walk and keeps what is worth it."""

    def __init__(
        self, judge: Judge, walk: Walk, settings: ExploreSettings, target: float, rng: np.random.Generator
    ) -> None:
        self.judge, self.walk, self.settings, self.target, self.rng = judge, walk, settings, target, rng
        self._limit = settings.trust * target
        self._spacing = self._since = 1
        self._shares: list[float] = []

    def look(self, atoms: Atoms, time: float, temperature: float) -> bool:
        """Look at a frame; True where the walk must end."""
        bare = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell.array, pbc=atoms.pbc)
        problem = unphysical(bare)
        if problem is not None:
            self.walk.ended = f"unphysical: {problem}"
            self._keep(Frame(bare, {"time": time, "temperature": temperature, "unphysical": problem}))
            return True
        bars = self.judge.bars(bare)
        largest = float(bars.max())
        if self.walk.looks == 0:
            self._limit = largest_trusted(bars, self.settings.trust, self.target)
        self.walk.looks, self.walk.picoseconds = self.walk.looks + 1, time
        frame = Frame(bare, {"time": time, "temperature": temperature, "bar": largest})
        lost = not largest <= self._limit
        self._shares.append(0.0 if lost else float(self.judge.expected_share(bars, self.target).mean()))
        if lost:
            self.walk.ended = f"untrusted: an error bar of {largest:.3g} eV/A after {time:.3g} ps"
        elif self.rng.random() < 1.0 / self.walk.looks:
            self.walk.control = self._cut(frame, bars) or self.walk.control
        if largest > self.target:
            self._since += 1
            if self._since >= self._spacing or lost:
                self._keep(self._cut(frame, bars))
        return lost

    def conclude(self) -> Walk:
        """Finish the account."""
        self.walk.conclude(self._shares)
        return self.walk

    def _keep(self, frame: Frame | None) -> None:
        """Keep a frame; where there are too many, every other one goes, and fewer come."""
        if frame is None:
            return
        self._since = 0
        self.walk.frames.append(frame)
        if len(self.walk.frames) > self.settings.frames:
            self.walk.frames = self.walk.frames[len(self.walk.frames) % 2 == 0 :: 2]
            self._spacing *= 2

    def _cut(self, frame: Frame, bars: FloatArray) -> Frame | None:
        return self.walk.cut(frame, bars, self.settings.max_atoms, self.judge.cutoff)


def largest_trusted(bars: FloatArray, trust: float, target: float) -> float:
    """Error bar at which a walk ends.

    A young potential is far from the target wherever it goes. So its error bars are also measured by those of the
    start, or a walk would end at its first look, and nothing but starts would be labelled.

    Parameters
    ----------
    bars : (n_atoms,), eV/A
        Of the start.
    trust : float
        `ExploreSettings.trust`.
    target : float, eV/A

    Returns
    -------
    float, eV/A
        Not a number where a bar of the start is none: no frame is trusted then.
    """
    return trust * float(np.maximum(target, np.median(bars)))


def affordable(frame: Frame, bars: FloatArray, max_atoms: int, cutoff: float) -> Frame:
    """Cut out of a frame what can be labelled.

    Parameters
    ----------
    frame : Frame
    bars : (n_atoms,), eV/A
        The surroundings of the atom with the largest one are kept.
    max_atoms : int
    cutoff : float, A
        Of the potential.

    Returns
    -------
    Frame
        The same where it is small enough; else the part, with what was cut in its details.

    Raises
    ------
    DataError
        No part is small enough, or the boundary of the best one is not sane.
    """
    if len(frame.atoms) <= max_atoms:
        return frame
    try:
        part = cut_out(frame.atoms, bars, max_atoms=max_atoms, radius=cutoff)
        problem = unphysical(part.atoms)
        if problem is not None:
            raise DataError(f"the best one is {part.summary(len(frame.atoms))}, and in it {problem}")
    except DataError as error:
        raise DataError(
            f"no part of a frame of {len(frame.atoms)} atoms is affordable ({error}): raise explore.max_atoms, or "
            "explore smaller cells"
        ) from error
    cut = {"cut": part.summary(len(frame.atoms)), "core": np.flatnonzero(part.core).tolist()}
    return Frame(part.atoms, frame.details | cut)


def weights(judge: Judge, atoms: Atoms, core: NDArray[np.int64] | None) -> FloatArray:
    """Error bars of the atoms that count: of a part that was cut out, those whose environment is that of the frame.

    Parameters
    ----------
    judge : Judge
    atoms : ase.Atoms
    core : (n_core,), int, or None
        None: all.

    Returns
    -------
    bars : (n_atoms,), eV/A
    """
    bars = judge.bars(atoms)
    if core is None:
        return bars
    kept = np.zeros_like(bars)
    kept[core] = bars[core]
    return kept
