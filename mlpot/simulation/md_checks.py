"""Checks of `run_md` after each step and each frame: an unphysical run ends, and its last frames are written.

Beside the checks of `mlpot.Guard`, which works with any run of ASE, these compare velocities and temperature with the
settings of the run and find atoms that leave all others.
"""

from typing import NoReturn

import numpy as np
from ase import Atoms, units
from numpy.typing import NDArray

from mlpot.errors import EngineError, MLPotError
from mlpot.neighbors.matscipy import neighbor_list
from mlpot.neighbors.overlap import OverlapSearch
from mlpot.simulation.frames import save_failure, with_forces
from mlpot.simulation.integrators import temperature_of
from mlpot.simulation.records import RunFiles
from mlpot.simulation.settings import MDSettings
from mlpot.simulation.uncertainty_limits import describe_uncertain, exceeds, read_uncertainty, uncertainty_limits

HOTTEST = 5000.0
"""A run ends at ten times the requested temperature plus this (K)."""

FARTHEST = 1.0
"""No atom moves farther than this (A) in one step; a carbon atom at 1000 K moves 0.015 A in 1 fs."""


class MDChecks:
    """Checks of one run.

    Parameters
    ----------
    atoms : ase.Atoms
        At the start, with velocities.
    settings : MDSettings
    files : RunFiles
        Paths of the frames around a failure.
    """

    def __init__(self, atoms: Atoms, settings: MDSettings, files: RunFiles) -> None:
        self._settings = settings
        self._files = files
        self._hottest = HOTTEST + 10.0 * max(settings.temperature or 0.0, temperature_of(atoms))
        self._alone = self._without_neighbors(atoms)
        self._overlaps = OverlapSearch()
        limits = {"max_sigma": settings.max_sigma, "max_distance": settings.max_distance}
        has_limit = any(limit is not None for limit in limits.values())
        self._limits = uncertainty_limits(atoms.calc, **limits) if has_limit else {}
        self._good = with_forces(atoms)

    def check_step(self, atoms: Atoms, step: int) -> None:
        """Check positions, velocities, temperature and distances.

        Parameters
        ----------
        atoms : ase.Atoms
            After the step.
        step : int

        Raises
        ------
        EngineError
            NaN, a displacement or a temperature of no material, overlapping atoms; the frames are written.
        """
        momenta = atoms.get_momenta()
        if not (np.isfinite(atoms.positions).all() and np.isfinite(momenta).all()):
            self.stop(atoms, step, "positions or velocities are not finite")
        displacements = np.linalg.norm(momenta, axis=1) / atoms.get_masses() * self._settings.timestep * units.fs
        if displacements.max(initial=0.0) > FARTHEST:
            k = int(displacements.argmax())
            self.stop(atoms, step, f"atom {k} ({atoms.symbols[k]}) moves {displacements[k]:.3g} A in one step")
        temperature = temperature_of(atoms)
        if temperature > self._hottest:
            self.stop(atoms, step, f"the temperature is {temperature:.0f} K, above {self._hottest:.0f} K")
        try:
            overlap = self._overlaps.find(atoms)
        except MLPotError as error:
            self.stop(atoms, step, str(error))
        if overlap is not None:
            self.stop(atoms, step, overlap.describe(atoms))
        self._good = with_forces(atoms)

    def check_frame(self, atoms: Atoms, step: int) -> None:
        """Check for atoms without neighbors and, with limits, for uncertain atoms.

        Parameters
        ----------
        atoms : ase.Atoms
        step : int

        Raises
        ------
        EngineError
            A lost atom, an error bar above its limit; the frames are written.
        """
        if self._limits:
            values = read_uncertainty(atoms, self._limits)
            if exceeds(values, self._limits).any():
                self.stop(atoms, step, describe_uncertain(atoms, values, self._limits))
        lost = np.flatnonzero(self._without_neighbors(atoms) & ~self._alone)
        if len(lost):
            k = int(lost[0])
            self.stop(
                atoms,
                step,
                f"atom {k} ({atoms.symbols[k]}) is lost: no neighbor within {self._settings.lost_distance} A",
            )

    def stop(self, atoms: Atoms, step: int, why: str) -> NoReturn:
        """Write the offending and the last good frame, and stop.

        Parameters
        ----------
        atoms : ase.Atoms
            The offending frame.
        step : int
        why : str

        Raises
        ------
        EngineError
            Always.
        """
        places = save_failure(atoms, self._files.failed_frame, self._good, self._files.last_good_frame)
        raise EngineError(
            f"stopped at step {step}: {why}. {places}. Try a shorter time step; if that does not help, the run has "
            "left the training domain: add such structures to the training data"
        )

    def _without_neighbors(self, atoms: Atoms) -> NDArray[np.bool_]:
        alone: NDArray[np.bool_] = np.zeros(len(atoms), dtype=np.bool_)
        if self._settings.lost_distance is not None:
            alone[:] = True
            alone[neighbor_list(atoms, self._settings.lost_distance)[0]] = False
        return alone
