"""Walks in LAMMPS, for cells that are too large for ASE: the same rules as in `explore`, on several ranks.

`fix mlpot/guard` keeps the frames with an error bar above the target, and stops where one is beyond trust; error bars
of all atoms are written at every look; which frames may become the control frame is drawn beforehand. LAMMPS may
crash: what it wrote until then is taken, and why it ended is said.
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
from mlpot.active_learning.config import ExploreSettings
from mlpot.active_learning.exploration.lammps_output import count_frames, read_bars, read_dumped, read_frames
from mlpot.active_learning.exploration.sanity import unphysical
from mlpot.active_learning.exploration.trajectory import BAROSTAT_TIME, Frame, Walk, between, largest_trusted
from mlpot.active_learning.initial import SMALL_RATTLE, Start
from mlpot.active_learning.labelling.processes import MARK, dying_with_us, kill_marked
from mlpot.active_learning.labelling.task import token
from mlpot.active_learning.selection.uncertainty_model import Judge
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
fix             trust all mlpot/guard {interval} max_sigma {lost} action halt file lost.xyz
dump            bars all custom {interval} bars.txt c_sigma[1]
dump_modify     bars format float %.6g
thermo_style    custom step temp pe press c_sigma
thermo          {interval}
"""

CONTROL = (
    "run {steps} start 0 stop {total}\n"
    "write_dump all custom control.{look} id type x y z c_sigma[1] modify sort id format float %.17g\n"
)
BAR = 1e4
"""Bar in a GPa."""

DRAG = 20.0
"""Of the barostat: without it cells swing by several percent before they settle."""

LARGEST_SEED = 900_000_000
"""Of the random numbers of LAMMPS."""

POLL = 0.1
"""Seconds between two looks at LAMMPS."""


@dataclass(frozen=True, eq=False)
class LammpsWalk:
    """A walk that LAMMPS does.

    Attributes
    ----------
    judge : Judge
    settings : ExploreSettings
    target : float, eV/A
        Frames with a larger error bar are worth a label.
    folder : Path
        Where it runs; what is there, and whoever still works there, goes.
    threads : int
        Of each rank.
    """

    judge: Judge
    settings: ExploreSettings
    target: float
    folder: Path
    threads: int = 1

    def run(self, start: Start, rng: np.random.Generator, stop: Callable[[], bool] = lambda: False) -> Walk:
        """Do the walk.

        Parameters
        ----------
        start : Start
            Periodic in three directions.
        rng : numpy.random.Generator
        stop : callable
            Asked again and again.

        Returns
        -------
        Walk
            The same for the same generator and number of ranks, to the last bit on the same machine.

        Raises
        ------
        EngineError
            LAMMPS or the plugin is not installed.
        """
        kill_marked(self.folder)  # what a driver that was killed left behind
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        try:
            elements = self._prepare(start, rng)
        except MLPotError as error:
            shutil.rmtree(self.folder)
            return Walk(start.kind, ended=f"failed: {error}")
        reason = self._execute(stop)
        walk = Walk(start.kind, stopped=reason is None)
        if reason is not None:
            self._collect(walk, reason, elements)
        shutil.rmtree(self.folder, ignore_errors=True)
        return walk

    # --- before

    def _prepare(self, start: Start, rng: np.random.Generator) -> list[str]:
        """Write start and script; the elements in the order of their types."""
        atoms = start.atoms.copy()
        atoms.positions += rng.normal(scale=SMALL_RATTLE, size=atoms.positions.shape)
        md = MDSettings("nvt", steps=0, timestep=self.settings.timestep, temperature=self.settings.temperature[0])
        start_velocities(atoms, md, rng)
        elements = sorted(set(atoms.symbols))
        style = {"specorder": elements, "masses": True, "velocities": True, "atom_style": "atomic"}
        write(self.folder / "start.data", atoms, format="lammps-data", **style)
        lost = largest_trusted(self.judge.bars(atoms), self.settings.trust, self.target)
        seed = int(rng.integers(1, LARGEST_SEED))
        script = self._settings_of_lammps(start.kind, elements, md.thermostat_time, lost, seed)
        (self.folder / "in.walk").write_text(script + self._runs(rng))
        return elements

    def _settings_of_lammps(self, kind: str, elements: list[str], thermostat: float, lost: float, seed: int) -> str:
        settings = self.settings
        move = "nve"
        if settings.pressure is not None and kind != "slab":
            low, high = (BAR * pressure for pressure in settings.pressure)
            move = f"nph iso {low} {high} {1e-3 * BAROSTAT_TIME} drag {DRAG}"
        return SCRIPT.format(
            closest=CLOSEST_FOR_DFT,
            model=self.judge.path,
            elements=" ".join(elements),
            timestep=1e-3 * settings.timestep,
            move=move,
            cold=settings.temperature[0],
            hot=settings.temperature[1],
            thermostat=1e-3 * thermostat,
            seed=seed,
            interval=settings.interval,
            uncertain=self.target / self.judge.factor,
            lost=lost / self.judge.factor,
        )

    def _runs(self, rng: np.random.Generator) -> str:
        """One run to each look whose frame replaces the control frame: the k-th with the probability 1/k."""
        total = self.settings.looks * self.settings.interval
        looks = [look for look in range(self.settings.looks + 1) if rng.random() < 1.0 / (look + 1)]
        steps = [self.settings.interval * (after - before) for before, after in pairwise([0, *looks])]
        lines = [CONTROL.format(steps=n, total=total, look=look) for look, n in zip(looks, steps, strict=True)]
        return "".join(lines) + f"run {total - self.settings.interval * looks[-1]} start 0 stop {total}\n"

    # --- LAMMPS

    def _execute(self, stop: Callable[[], bool]) -> str | None:
        """Why LAMMPS ended; None where it was asked to stop. It ends when this process does."""
        with (self.folder / "output.log").open("wb") as output:
            process = subprocess.Popen(
                dying_with_us(lammps.command(Path("in.walk"), ranks=self.settings.ranks)),
                cwd=self.folder,
                env=lammps.environment(self.threads) | {MARK: token(self.folder)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for the loop
            )
            hangs = self._watch(process, stop)
        stopped = process.poll() is None
        kill_marked(self.folder)
        status = process.wait()
        if hangs:
            return f"failed: LAMMPS did not get on for {self.settings.patience:g} s and was ended (explore.patience)"
        return None if stopped else self._reason(status)

    def _watch(self, process: subprocess.Popen[bytes], stop: Callable[[], bool]) -> bool:
        """Wait until LAMMPS ends or has to be ended: whether it hangs."""
        bars = self.folder / "bars.txt"
        written, since = 0, time.monotonic()
        while process.poll() is None and not stop():
            size = bars.stat().st_size if bars.exists() else 0
            if size != written:
                written, since = size, time.monotonic()
            elif time.monotonic() - since > self.settings.patience:
                return True
            time.sleep(POLL)
        return False

    # --- after

    def _collect(self, walk: Walk, reason: str, elements: list[str]) -> None:
        """Read what LAMMPS wrote."""
        bars = [self.judge.factor * sigma for sigma in read_bars(self.folder / "bars.txt")]
        shares = [float(self.judge.expected_share(one, self.target).mean()) for one in bars]
        walk.picoseconds = self._time(self.settings.interval * max(0, len(bars) - 1))
        walk.ended = reason
        self._keep_uncertain(walk)
        self._keep_failed(walk)
        self._keep_control(walk, elements)
        for frame in read_frames(self.folder / "lost.xyz", [0]):
            shares.append(0.0)
            walk.picoseconds = self._time(frame.info["step"])
            largest = self.judge.factor * float(frame.arrays["forces_std"].max())
            walk.ended = f"untrusted: an error bar of {largest:.3g} eV/A after {walk.picoseconds:.3g} ps"
        walk.looks = len(shares)
        walk.conclude(shares)

    def _reason(self, status: int) -> str:
        if status == 0:
            return "complete"
        words = lammps.last_lines((self.folder / "output.log").read_text(errors="replace"))
        return f"failed: LAMMPS ended with status {status}: {' '.join(words.split())[:300]}"

    def _keep_uncertain(self, walk: Walk) -> None:
        """Keep frames of the guard, evenly where there are too many, the last one always."""
        path = self.folder / "kept.xyz"
        count = count_frames(path)
        chosen = np.unique(np.linspace(0, count - 1, min(count, self.settings.frames)).round().astype(int))
        for frame in read_frames(path, chosen):
            self._keep(walk, frame, self.judge.factor * frame.arrays["forces_std"])

    def _keep_failed(self, walk: Walk) -> None:
        """Keep the frame that the pair style refused, where the frame itself is to blame."""
        for frame in read_frames(self.folder / "mlpot.failed.xyz", [0]):
            time_of_frame = self._time(frame.info["step"])
            problem = unphysical(_bare(frame))
            if problem is not None:
                walk.ended = f"unphysical: {problem}"
                walk.frames.append(Frame(_bare(frame), self._details(time_of_frame) | {"unphysical": problem}))

    def _keep(self, walk: Walk, frame: Atoms, bars: FloatArray) -> None:
        details = self._details(self._time(frame.info["step"])) | {"bar": float(bars.max())}
        problem = unphysical(_bare(frame))
        if problem is not None:
            walk.frames.append(Frame(_bare(frame), details | {"unphysical": problem}))
            return
        part = walk.cut(Frame(_bare(frame), details), bars, self.settings.max_atoms, self.judge.cutoff)
        walk.frames += [] if part is None else [part]

    def _keep_control(self, walk: Walk, elements: list[str]) -> None:
        """Keep the last frame that was drawn and reached."""
        paths = sorted(self.folder.glob("control.*"), key=lambda path: int(path.suffix[1:]))
        for path in reversed(paths):
            dumped = read_dumped(path, elements)
            if dumped is None or unphysical(dumped[0]) is not None:
                continue
            atoms, sigma = dumped
            bars = self.judge.factor * sigma
            steps = self.settings.interval * int(path.suffix[1:])
            details = self._details(self._time(steps)) | {"bar": float(bars.max())}
            walk.control = walk.cut(Frame(atoms, details), bars, self.settings.max_atoms, self.judge.cutoff)
            if walk.control is not None:
                return

    def _time(self, steps: int) -> float:
        return 1e-3 * self.settings.timestep * steps

    def _details(self, time_of_frame: float) -> dict[str, object]:
        part = time_of_frame / self._time(self.settings.looks * self.settings.interval)
        temperature = between(self.settings.temperature, part)
        return {"program": "lammps", "time": time_of_frame, "temperature": temperature}


def _bare(frame: Atoms) -> Atoms:
    return Atoms(frame.numbers, frame.positions, cell=frame.cell.array, pbc=frame.pbc)
