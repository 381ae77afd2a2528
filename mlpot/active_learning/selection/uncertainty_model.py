"""Calibrated force uncertainties and descriptors of a frame, from a potential with a committee.

Data flow: `model.pt` with calibrated error bars -> `UncertaintyModel` -> `exploration` (when a trajectory ends, which
frames are kept) and `batch` (which of them are labelled).
"""

from pathlib import Path

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from mlpot.calculator import load
from mlpot.data.structure import FloatArray
from mlpot.errors import ConfigError
from mlpot.model_file.bundle import ModelBundle
from mlpot.neighbors.matscipy import species_of

LEVEL = 0.9
"""Confidence level of the force intervals of the loop."""


class UncertaintyModel:
    """A potential with calibrated error bars.

    Parameters
    ----------
    path : Path
        The model file.
    threads : int

    Attributes
    ----------
    calculator : MLPotCalculator
    cutoff : float, A
    factor : float
        Half width of a force interval over the standard deviation.

    Raises
    ------
    ConfigError
        The file has no calibrated error bars.
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        self.path = Path(path).absolute()
        self.calculator = load(path, threads=threads)
        manifest = self.calculator.manifest
        if manifest.calibration is None or manifest.feature_distance is None:
            raise ConfigError(
                f"{path} has no calibrated error bars: run `mlpot committee attach` and `mlpot calibrate`"
            )
        self.cutoff = manifest.cutoff
        scaling = manifest.calibration.forces
        self._levels, self._quantiles = np.array(scaling.levels), np.array(scaling.quantiles)
        self.factor = float(self._quantiles[scaling.levels.index(LEVEL)])
        self._numbers = manifest.atomic_numbers
        self._distance = ModelBundle.read(path).distance()

    def force_intervals(self, atoms: Atoms, core: NDArray[np.int64] | None = None) -> FloatArray:
        """Half widths of the 90 % intervals of the errors of force components.

        Parameters
        ----------
        atoms : ase.Atoms
        core : (n_core,), int, optional
            Atoms that count, of a part that was cut out of a frame; the intervals of all others are zero.

        Returns
        -------
        intervals : (n_atoms,), eV/A
        """
        intervals = np.asarray(self.calculator.get_property("forces_std", atoms)) * self.factor
        if core is None:
            return intervals
        kept = np.zeros_like(intervals)
        kept[core] = intervals[core]
        return kept

    def expected_fraction(self, intervals: FloatArray, limit: float) -> FloatArray:
        """Return the expected fraction of the errors of force components below a limit.

        Parameters
        ----------
        intervals : (n_atoms,), eV/A
            From `force_intervals`.
        limit : float, eV/A

        Returns
        -------
        fraction : (n_atoms,)
            From the conformal quantiles, linear between them; at most the highest calibrated level.
        """
        levels = np.concatenate([[0.0], self._levels])
        quantiles = np.concatenate([[0.0], self._quantiles])
        with np.errstate(divide="ignore"):
            return np.asarray(np.interp(limit / (intervals / self.factor), quantiles, levels), dtype=np.float64)

    def features(self, atoms: Atoms) -> FloatArray:
        """Features whose distances measure how different environments are.

        Returns
        -------
        features : (n_atoms, n_features)
            Descriptors, whitened for each element: a typical atom of the training set is at a distance of 1 from the
            mean.
        """
        descriptors = np.asarray(self.calculator.get_property("descriptors", atoms))
        return self._distance.whitened(descriptors, species_of(atoms, self._numbers))
