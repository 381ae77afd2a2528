"""Minimum distances of two atoms, as fractions of the sum of their covalent radii: all such limits of the project.

Below `CLOSEST_IN_MD` the core repulsion has replaced most of the learned part of a potential, and no material in
equilibrium has such distances: `simulation.guard` and ``pair_style mlpot`` of LAMMPS stop the simulation. Collision
cascades need a smaller fraction. Structures for DFT keep a larger distance, `CLOSEST_FOR_DFT`, and distances across the
boundary of a cell that is cut out of a larger frame are near a bond length, `CLOSEST_IN_CUTOUT`. (The range of the core
repulsion itself is `model.zbl.SWITCHING_RADIUS`.)
"""

from typing import NamedTuple

import numpy as np
from ase import Atoms
from ase.data import covalent_radii

from mlpot.errors import ConfigError
from mlpot.neighbors.matscipy import FloatArray, IntArray, check_atomic_numbers, neighbor_list
from mlpot.neighbors.verlet import VerletList

CLOSEST_IN_MD = 0.5
CLOSEST_FOR_DFT = 0.6
CLOSEST_IN_CUTOUT = 0.7

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
        """One sentence for the user."""
        first, second = (f"{k} ({atoms.symbols[k]})" for k in (self.i, self.j))
        gap = f"{self.distance:.4f} A apart, closer than {self.limit:.4f} A"
        return f"atoms {first} and {second} are {gap}: too close for any model"


class OverlapSearch:
    """Finds overlaps in one moving structure.

    Parameters
    ----------
    closest : float
        Fraction of the sum of the covalent radii; 0: no limit.
    """

    def __init__(self, closest: float = CLOSEST_IN_MD) -> None:
        if not 0.0 <= closest <= 1.0:
            raise ConfigError(f"`closest` must be between 0 and 1 (sums of covalent radii), got {closest}")
        self._closest = closest
        self._range = 0.0
        self._pairs = VerletList(0.0, SKIN)

    def find(self, atoms: Atoms) -> Overlap | None:
        """Find the worst overlap, or None.

        Raises
        ------
        DataError
            Positions that are not finite, two atoms at one place.
        """
        limits = self._closest * _radii(atoms)
        largest = 2.0 * float(limits.max(initial=0.0))
        if largest == 0.0:
            return None
        if largest != self._range:
            self._range, self._pairs = largest, VerletList(largest, SKIN)
        (i, j), vectors = self._pairs.edges(atoms)
        return _worst(limits, i, j, vectors)


def find_overlap(atoms: Atoms, closest: float) -> Overlap | None:
    """Find the worst overlap in one structure, as `OverlapSearch.find`, with a new neighbor list.

    >>> find_overlap(Atoms("H2", [[0, 0, 0], [0, 0, 0.74]]), 0.5) is None
    True
    >>> round(find_overlap(Atoms("H2", [[0, 0, 0], [0, 0, 0.2]]), 0.5).limit, 3)
    0.31
    """
    limits = closest * _radii(atoms)
    i, j, vectors, _ = neighbor_list(atoms, 2.0 * float(limits.max(initial=0.0)))
    return _worst(limits, i, j, vectors)


def _radii(atoms: Atoms) -> FloatArray:
    """Covalent radii, ``(n_atoms,)``, A."""
    check_atomic_numbers(atoms)
    radii: FloatArray = covalent_radii[atoms.numbers]
    return radii


def _worst(limits: FloatArray, i: IntArray, j: IntArray, vectors: FloatArray) -> Overlap | None:
    """Closest pair in units of its limit; None if all are beyond."""
    distances = np.linalg.norm(vectors, axis=1)
    pair_limits = limits[i] + limits[j]
    ratios = distances / pair_limits
    if not len(ratios) or ratios.min() >= 1.0:
        return None
    k = int(ratios.argmin())
    return Overlap(int(i[k]), int(j[k]), float(distances[k]), float(pair_limits[k]))
