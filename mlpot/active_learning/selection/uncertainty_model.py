"""What a potential thinks of a frame: half widths of the 90 % intervals of its force errors, and features of its atoms.

Data flow: `model.pt` with a calibrated committee -> `Judge` -> `explore` (when to stop, which frames to keep) and
`batch` (which of them to label).
"""

from pathlib import Path

import numpy as np
from ase import Atoms

from mlpot.calculator import load
from mlpot.data.structure import FloatArray
from mlpot.errors import ConfigError
from mlpot.model_file.bundle import ModelBundle
from mlpot.neighbors.matscipy import species_of

LEVEL = 0.9
"""Error bars of the loop are half widths of the intervals at this level."""


class Judge:
    """A calibrated committee.

    Parameters
    ----------
    path : Path
        The model file.
    threads : int

    Attributes
    ----------
    path : Path
    calculator : MLPotCalculator
    cutoff : float, A
    factor : float
        Error bars over standard deviations.

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

    def bars(self, atoms: Atoms) -> FloatArray:
        """Error bars of the forces.

        Parameters
        ----------
        atoms : ase.Atoms

        Returns
        -------
        bars : (n_atoms,), eV/A
            90 % of the errors of force components are expected below.
        """
        return np.asarray(self.calculator.get_property("forces_std", atoms)) * self.factor

    def expected_share(self, bars: FloatArray, limit: float) -> FloatArray:
        """Part of the errors of force components that is expected below a limit.

        Parameters
        ----------
        bars : (n_atoms,), eV/A
        limit : float, eV/A

        Returns
        -------
        share : (n_atoms,)
            From the conformal quantiles, linear between them; at most the highest level that was calibrated.
        """
        levels = np.concatenate([[0.0], self._levels])
        quantiles = np.concatenate([[0.0], self._quantiles])
        with np.errstate(divide="ignore"):
            return np.asarray(np.interp(limit / (bars / self.factor), quantiles, levels), dtype=np.float64)

    def features(self, atoms: Atoms) -> FloatArray:
        """Features whose distances say how different environments are.

        Parameters
        ----------
        atoms : ase.Atoms

        Returns
        -------
        features : (n_atoms, n_features)
            Descriptors, whitened element by element: a typical atom of the training set lies at a distance of 1 from
            the mean.
        """
        descriptors = np.asarray(self.calculator.get_property("descriptors", atoms))
        return self._distance.whitened(descriptors, species_of(atoms, self._numbers))
