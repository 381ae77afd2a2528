"""What a run leaves on disk: frames, a log and checkpoints, which `dynamics` writes and continues.

The checkpoint holds the lengths of the other two files, and a restart cuts off what is beyond: frames are never
missing and never there twice, however the run ended.
"""

import csv
import json
import os
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import Trajectory

from mlpot.errors import ConfigError, DataError
from mlpot.running.atomic_write import replace_atomically
from mlpot.simulation.frames import append_frame, without_calculator

FRAME_FORMATS = {".xyz": "extxyz", ".extxyz": "extxyz", ".traj": "traj"}


@dataclass(frozen=True)
class LogRow:
    """One line of the log.

    Attributes
    ----------
    step : int
    time : float, fs
    temperature : float, K
    potential_energy, kinetic_energy, conserved_energy : float, eV
    pressure : float, GPa
        Kinetic part included; NaN without three periodic directions.
    volume : float, A^3
        NaN without three periodic directions.
    """

    step: int
    time: float
    temperature: float
    potential_energy: float
    kinetic_energy: float
    conserved_energy: float
    pressure: float
    volume: float


@dataclass(frozen=True)
class RunFiles:
    """Where a run writes, named after its trajectory.

    Attributes
    ----------
    trajectory : Path
        Extended XYZ (``.xyz``) or ASE's ``.traj``.
    """

    trajectory: Path

    def __post_init__(self) -> None:
        """Refuse formats that cannot be appended to.

        Raises
        ------
        ConfigError
        """
        if self.trajectory.suffix not in FRAME_FORMATS:
            raise ConfigError(
                f"the trajectory {self.trajectory.name} must end in one of {', '.join(FRAME_FORMATS)}, "
                f"got {self.trajectory.suffix!r}"
            )

    @property
    def log(self) -> Path:
        """CSV with one `LogRow` a frame."""
        return self.trajectory.with_suffix(".csv")

    @property
    def checkpoint(self) -> Path:
        """State to continue from."""
        return self.trajectory.with_suffix(".checkpoint.npz")

    @property
    def failed_frame(self) -> Path:
        """The frame that stopped the run."""
        return self.trajectory.with_suffix(".failed.xyz")

    @property
    def last_good_frame(self) -> Path:
        """The frame before it."""
        return self.trajectory.with_suffix(".last-good.xyz")

    def refuse_existing(self) -> None:
        """Refuse to overwrite an earlier run.

        Raises
        ------
        ConfigError
        """
        for path in (self.trajectory, self.log, self.checkpoint):
            if path.exists():
                raise ConfigError(
                    f"{path} exists: continue that run with restart, name another trajectory, or remove the file"
                )

    def append(self, atoms: Atoms, row: LogRow) -> None:
        """Write one frame with its results, and one line.

        Parameters
        ----------
        atoms : ase.Atoms
            With results.
        row : LogRow
        """
        frame = without_calculator(atoms)
        wanted = ("energy", "free_energy", "forces", "stress")
        results = {name: atoms.calc.results[name] for name in wanted if name in atoms.calc.results}
        frame.calc = SinglePointCalculator(frame, **results)
        if self.trajectory.suffix == ".traj":
            with Trajectory(self.trajectory, "a") as trajectory:
                trajectory.write(frame)
        else:
            append_frame(self.trajectory, frame)
        with self.log.open("a", newline="") as file:
            writer = csv.writer(file)
            if file.tell() == 0:
                writer.writerow(field.name for field in fields(LogRow))
            writer.writerow(astuple(row))

    def rows(self) -> Iterator[LogRow]:
        """Lines of the log.

        Yields
        ------
        LogRow
        """
        with self.log.open(newline="") as file:
            for line in csv.DictReader(file):
                yield LogRow(int(line.pop("step")), **{name: float(value) for name, value in line.items()})

    def save_checkpoint(self, identity: dict[str, Any], n_frames: int, arrays: dict[str, Any]) -> None:
        """Write the checkpoint so that it is the old or the new one, whatever happens.

        Parameters
        ----------
        identity : dict
            What a restart must agree with, and whatever else fits into JSON.
        n_frames : int
            Frames written.
        arrays : dict
            Name -> array.
        """
        sizes = [path.stat().st_size for path in (self.trajectory, self.log)]
        header = {"identity": identity, "n_frames": n_frames, "sizes": sizes}
        with replace_atomically(self.checkpoint) as partial:
            np.savez(partial, header=np.array(json.dumps(header)), **arrays)

    def load_checkpoint(self) -> tuple[dict[str, Any], int, dict[str, Any]]:
        """Read the checkpoint and cut frames and log back to it.

        Returns
        -------
        identity, n_frames, arrays
            As given to `save_checkpoint`.

        Raises
        ------
        DataError
            No checkpoint, or files that are shorter than recorded in it.
        """
        try:
            with self.checkpoint.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                arrays = dict(file)
        except FileNotFoundError as error:
            raise DataError(f"nothing to restart from: {self.checkpoint} does not exist") from error
        except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile) as error:
            raise self._not_a_checkpoint() from error
        try:
            header = json.loads(str(arrays.pop("header")))
            identity, n_frames = dict(header["identity"]), int(header["n_frames"])
            trajectory_size, log_size = map(int, header["sizes"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise self._not_a_checkpoint() from error
        self._cut_back(n_frames, trajectory_size, log_size)
        return identity, n_frames, arrays

    def _not_a_checkpoint(self) -> DataError:
        return DataError(f"{self.checkpoint} is not a checkpoint of `mlpot md`, or damaged: start the run again")

    def _cut_back(self, n_frames: int, trajectory_size: int, log_size: int) -> None:
        for path, size in ((self.trajectory, trajectory_size), (self.log, log_size)):
            if not path.exists() or path.stat().st_size < size:
                raise DataError(f"{path} is shorter than at its checkpoint: {size} bytes expected. Start the run again")
        os.truncate(self.log, log_size)
        if self.trajectory.stat().st_size == trajectory_size:
            return
        if self.trajectory.suffix != ".traj":
            os.truncate(self.trajectory, trajectory_size)
            return
        kept = self.trajectory.with_suffix(".kept.traj")  # the format keeps an index, so it is written again
        with Trajectory(self.trajectory) as old, Trajectory(kept, "w") as new:
            for index in range(n_frames):
                new.write(old[index])
        os.replace(kept, self.trajectory)


def as_identity(settings: object) -> dict[str, Any]:
    """Fields of a dataclass as plain JSON.

    Parameters
    ----------
    settings : dataclass

    Returns
    -------
    dict
    """
    plain: dict[str, Any] = json.loads(json.dumps(asdict(settings)))  # type: ignore[call-overload]
    return plain
