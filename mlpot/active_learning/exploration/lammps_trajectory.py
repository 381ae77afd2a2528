"""Exploration trajectories in LAMMPS, for cells too large for ASE: the rules of `trajectory`, on several ranks.

One `fix mlpot/guard` writes the frames with a force interval above the target, another one stops the run above the
limit. The uncertainties of all atoms are dumped at every check. The checks at which the random frame is replaced are
drawn beforehand. If LAMMPS crashes, everything that it wrote is used, and the ending has the reason.
"""

import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import write

from mlpot import lammps
from mlpot.active_learning.calculation.processes import MARK, dying_with_us, kill_marked
from mlpot.active_learning.calculation.task import token
from mlpot.active_learning.config import ExploreSettings
from mlpot.active_learning.exploration.lammps_output import count_frames, read_dumped, read_frames, read_sigmas
from mlpot.active_learning.exploration.trajectory import (
    BAROSTAT_TIME,
    Frame,
    Trajectory,
    between,
    too_uncertain_ending,
    uncertainty_limit,
)
from mlpot.active_learning.initial.structures import SMALL_RATTLE, InitialState
from mlpot.active_learning.selection.sanity import unphysical
from mlpot.active_learning.selection.uncertainty_model import UncertaintyModel
from mlpot.active_learning.store.trajectories import Ending
from mlpot.data.structure import FloatArray
from mlpot.errors import MLPotError
from mlpot.neighbors.overlap import CLOSEST_FOR_DFT
from mlpot.simulation import MDSettings
from mlpot.simulation.integrators import start_velocities

SCRIPT = """\
units           metal
boundary        p p p
box             tilt large
read_data       start.data
pair_style      mlpot closest {closest}
pair_coeff      * * "{model}" {elements}
timestep        {timestep}
fix             move all {move}
fix             heat all temp/csvr {cold} {hot} {thermostat} {seed}
compute         sigma all mlpot/uncertainty every {interval}
fix             keep all mlpot/guard {interval} max_sigma {uncertain} action dump file kept.xyz
fix             limit all mlpot/guard {interval} max_sigma {limit} action halt file last.xyz
dump            sigmas all custom {interval} sigmas.txt c_sigma[1]
dump_modify     sigmas format float %.6g
thermo_style    custom step temp pe press c_sigma
thermo          {interval}
"""

RANDOM_FRAME = (
    "run {steps} start 0 stop {total}\n"
    "write_dump all custom random.{check} id type x y z c_sigma[1] modify sort id format float %.17g\n"
)
BAR = 1e4
"""Bar in a GPa."""

DRAG = 20.0
"""Of the barostat; without it the volume oscillates by several percent."""

LARGEST_SEED = 900_000_000
"""Largest seed of the random numbers of LAMMPS."""

POLL = 0.1
"""Seconds between two checks of the process."""


@dataclass(frozen=True, eq=False)
class LammpsTrajectory:
    """Runs one trajectory in LAMMPS.

    Attributes
    ----------
    model : UncertaintyModel
    settings : ExploreSettings
    target : float, eV/A
        Frames with a larger force interval are candidates for labelling.
    folder : Path
        In which it runs; files and processes of an earlier run there are removed.
    threads : int
        Of each rank.
    """

    model: UncertaintyModel
    settings: ExploreSettings
    target: float
    folder: Path
    threads: int = 1

    def run(
        self, state: InitialState, rng: np.random.Generator, stop: Callable[[], bool] = lambda: False
    ) -> Trajectory:
        """Run the trajectory.

        Parameters
        ----------
        state : InitialState
            Periodic in three directions.
        rng : numpy.random.Generator
            The same generator and number of ranks give the same trajectory, to the last bit on the same machine.
        stop : callable
            Called regularly; True ends the trajectory.

        Raises
        ------
        EngineError
            LAMMPS or the plugin is not installed.
        """
        kill_marked(self.folder)  # of a driver that was killed
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        try:
            elements = self._prepare(state, rng)
        except MLPotError as error:
            shutil.rmtree(self.folder)
            return Trajectory(state.kind, ending=Ending("failed", str(error)))
        ending = self._execute(stop)
        trajectory = Trajectory(state.kind, stopped=ending is None)
        if ending is not None:
            self._collect(trajectory, ending, elements)
        shutil.rmtree(self.folder, ignore_errors=True)
        return trajectory

    # --- before

    def _prepare(self, state: InitialState, rng: np.random.Generator) -> list[str]:
        """Write initial state and script, and return the elements in the order of their types."""
        atoms = state.atoms.copy()
        atoms.positions += rng.normal(scale=SMALL_RATTLE, size=atoms.positions.shape)
        md = MDSettings("nvt", steps=0, timestep=self.settings.timestep, temperature=self.settings.temperature[0])
        start_velocities(atoms, md, rng)
        elements = sorted(set(atoms.symbols))
        style = {"specorder": elements, "masses": True, "velocities": True, "atom_style": "atomic"}
        write(self.folder / "start.data", atoms, format="lammps-data", **style)
        limit = uncertainty_limit(self.model.force_intervals(atoms), self.settings.max_uncertainty_factor, self.target)
        seed = int(rng.integers(1, LARGEST_SEED))
        script = self._settings_of_lammps(state.kind, elements, md.thermostat_time, limit, seed)
        (self.folder / "in.trajectory").write_text(script + self._runs(rng))
        return elements

    def _settings_of_lammps(self, kind: str, elements: list[str], thermostat: float, limit: float, seed: int) -> str:
        settings = self.settings
        move = "nve"
        if settings.pressure is not None and kind != "slab":
            low, high = (BAR * pressure for pressure in settings.pressure)
            move = f"nph iso {low} {high} {1e-3 * BAROSTAT_TIME} drag {DRAG}"
        return SCRIPT.format(
            closest=CLOSEST_FOR_DFT,
            model=self.model.path,
            elements=" ".join(elements),
            timestep=1e-3 * settings.timestep,
            move=move,
            cold=settings.temperature[0],
            hot=settings.temperature[1],
            thermostat=1e-3 * thermostat,
            seed=seed,
            interval=settings.interval,
            uncertain=self.target / self.model.factor,
            limit=limit / self.model.factor,
        )

    def _runs(self, rng: np.random.Generator) -> str:
        """One run to each check that replaces the random frame: the k-th one with the probability 1/k."""
        total = self.settings.n_checks * self.settings.interval
        checks = [check for check in range(self.settings.n_checks + 1) if rng.random() < 1.0 / (check + 1)]
        steps = [self.settings.interval * (after - before) for before, after in pairwise([0, *checks])]
        lines = [RANDOM_FRAME.format(steps=n, total=total, check=check) for check, n in zip(checks, steps, strict=True)]
        return "".join(lines) + f"run {total - self.settings.interval * checks[-1]} start 0 stop {total}\n"

    # --- LAMMPS

    def _execute(self, stop: Callable[[], bool]) -> Ending | None:
        """Run LAMMPS, which is killed when this process dies; None if it was stopped."""
        with (self.folder / "output.log").open("wb") as output:
            process = subprocess.Popen(
                dying_with_us(lammps.command(Path("in.trajectory"), ranks=self.settings.ranks)),
                cwd=self.folder,
                env=lammps.environment(self.threads) | {MARK: token(self.folder)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is handled by the loop
            )
            hangs = self._wait(process, stop)
        stopped = process.poll() is None
        kill_marked(self.folder)
        status = process.wait()
        if hangs:
            return Ending(
                "failed", f"LAMMPS wrote nothing for {self.settings.timeout:g} s and was killed (explore.timeout)"
            )
        return None if stopped else self._ending(status)

    def _wait(self, process: subprocess.Popen[bytes], stop: Callable[[], bool]) -> bool:
        """Wait until LAMMPS ends, `stop` returns True, or LAMMPS hangs; True if it hangs."""
        sigmas = self.folder / "sigmas.txt"
        written, since = 0, time.monotonic()
        while process.poll() is None and not stop():
            size = sigmas.stat().st_size if sigmas.exists() else 0
            if size != written:
                written, since = size, time.monotonic()
            elif time.monotonic() - since > self.settings.timeout:
                return True
            time.sleep(POLL)
        return False

    # --- after

    def _collect(self, trajectory: Trajectory, ending: Ending, elements: list[str]) -> None:
        """Read the output of LAMMPS."""
        checks = [self.model.factor * sigma for sigma in read_sigmas(self.folder / "sigmas.txt")]
        fractions = [float(self.model.expected_fraction(one, self.target).mean()) for one in checks]
        trajectory.picoseconds = self._time(self.settings.interval * max(0, len(checks) - 1))
        trajectory.ending = ending
        self._keep_uncertain(trajectory)
        self._keep_failed(trajectory)
        self._keep_random(trajectory, elements)
        for frame in read_frames(self.folder / "last.xyz", [0]):
            fractions.append(0.0)
            trajectory.picoseconds = self._time(frame.info["step"])
            largest = self.model.factor * float(frame.arrays["forces_std"].max())
            trajectory.ending = too_uncertain_ending(largest, trajectory.picoseconds)
        trajectory.n_checks = len(fractions)
        trajectory.finish(fractions)

    def _ending(self, status: int) -> Ending:
        if status == 0:
            return Ending()
        lines = lammps.last_lines((self.folder / "output.log").read_text(errors="replace"))
        return Ending("failed", f"LAMMPS ended with status {status}: {' '.join(lines.split())[:300]}")

    def _keep_uncertain(self, trajectory: Trajectory) -> None:
        """Keep frames of the guard, evenly spaced if there are too many, always with the last one."""
        path = self.folder / "kept.xyz"
        count = count_frames(path)
        chosen = np.unique(np.linspace(0, count - 1, min(count, self.settings.frames)).round().astype(int))
        for frame in read_frames(path, chosen):
            self._keep(trajectory, frame, self.model.factor * frame.arrays["forces_std"])

    def _keep_failed(self, trajectory: Trajectory) -> None:
        """Keep the frame at which the pair style stopped, if it is unphysical."""
        for frame in read_frames(self.folder / "mlpot.failed.xyz", [0]):
            time_of_frame = self._time(frame.info["step"])
            problem = unphysical(_bare(frame))
            if problem is not None:
                trajectory.ending = Ending("unphysical", problem)
                trajectory.frames.append(Frame(_bare(frame), self._details(time_of_frame) | {"unphysical": problem}))

    def _keep(self, trajectory: Trajectory, frame: Atoms, intervals: FloatArray) -> None:
        details = self._details(self._time(frame.info["step"])) | {"force_interval": float(intervals.max())}
        problem = unphysical(_bare(frame))
        if problem is not None:
            trajectory.frames.append(Frame(_bare(frame), details | {"unphysical": problem}))
            return
        part = trajectory.cut(Frame(_bare(frame), details), intervals, self.settings.max_atoms, self.model.cutoff)
        trajectory.frames += [] if part is None else [part]

    def _keep_random(self, trajectory: Trajectory, elements: list[str]) -> None:
        """Keep the last one of the drawn frames that was reached."""
        paths = sorted(self.folder.glob("random.*"), key=lambda path: int(path.suffix[1:]))
        for path in reversed(paths):
            dumped = read_dumped(path, elements)
            if dumped is None or unphysical(dumped[0]) is not None:
                continue
            atoms, sigma = dumped
            intervals = self.model.factor * sigma
            steps = self.settings.interval * int(path.suffix[1:])
            details = self._details(self._time(steps)) | {"force_interval": float(intervals.max())}
            frame = Frame(atoms, details)
            trajectory.random_frame = trajectory.cut(frame, intervals, self.settings.max_atoms, self.model.cutoff)
            if trajectory.random_frame is not None:
                return

    def _time(self, steps: int) -> float:
        return 1e-3 * self.settings.timestep * steps

    def _details(self, time_of_frame: float) -> dict[str, object]:
        part = time_of_frame / self._time(self.settings.n_checks * self.settings.interval)
        temperature = between(self.settings.temperature, part)
        return {"program": "lammps", "time": time_of_frame, "temperature": temperature}


def _bare(frame: Atoms) -> Atoms:
    return Atoms(frame.numbers, frame.positions, cell=frame.cell.array, pbc=frame.pbc)
