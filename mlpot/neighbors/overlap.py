"""Atoms that are closer than any model has been trained for: `guard` and `simulation` ask after every step.

The rule, which `pair_style mlpot` of LAMMPS follows as well: two atoms are too close below half of the sum of their
covalent radii. There the repulsion of the nuclei has taken over most of the learned part, no material in equilibrium
comes near, and what the model says is not to be trusted. Collision cascades are the exception: give them a smaller
fraction.
"""

from typing import NamedTuple

import numpy as np
from ase import Atoms
from ase.data import covalent_radii

from mlpot.errors import ConfigError
from mlpot.neighbors.verlet import SkinNeighborList

CLOSEST = 0.5
"""Fraction of the sum of the covalent radii below which two atoms are too close."""

SKIN = 0.5


class Overlap(NamedTuple):
    """Two atoms that are too close.

    Attributes
    ----------
    i, j : int
    distance, limit : float, A
    """

    i: int
    j: int
    distance: float
    limit: float

    def describe(self, atoms: Atoms) -> str:
        """Say it in words."""
        first, second = (f"{k} ({atoms.symbols[k]})" for k in (self.i, self.j))
        gap = f"{self.distance:.4f} A apart, closer than {self.limit:.4f} A"
        return f"atoms {first} and {second} are {gap}: too close for any model"


class OverlapSearch:
    """Looks for overlaps in one structure that moves.

    Parameters
    ----------
    closest : float
        Fraction of the sum of the covalent radii; 0: nothing is too close.
    """

    def __init__(self, closest: float = CLOSEST) -> None:
        if not 0.0 <= closest <= 1.0:
            raise ConfigError(f"`closest` must be between 0 and 1 (sums of covalent radii), got {closest}")
        self._closest = closest
        self._reach = 0.0
        self._pairs = SkinNeighborList(0.0, SKIN)

    def find(self, atoms: Atoms) -> Overlap | None:
        """Find the worst overlap.

        Parameters
        ----------
        atoms : ase.Atoms

        Returns
        -------
        Overlap or None

        Raises
        ------
        DataError
            Positions that are not finite, two atoms at one place.
        """
        limits = self._closest * covalent_radii[atoms.numbers]
        reach = 2.0 * float(limits.max(initial=0.0))
        if reach == 0.0:
            return None
        if reach != self._reach:
            self._reach, self._pairs = reach, SkinNeighborList(reach, SKIN)
        (i, j), vectors = self._pairs.edges(atoms)
        distances = np.linalg.norm(vectors, axis=1)
        pair_limits = limits[i] + limits[j]
        ratios = distances / pair_limits
        if not len(ratios) or ratios.min() >= 1.0:
            return None
        k = int(ratios.argmin())
        return Overlap(int(i[k]), int(j[k]), float(distances[k]), float(pair_limits[k]))
