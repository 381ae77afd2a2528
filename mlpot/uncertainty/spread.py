"""Spread of the members of a committee: a standard deviation, not calibrated and so not an error bar."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlpot.engines.results import Results
from mlpot.errors import EngineError

FloatArray = NDArray[np.float64]


class Spread(NamedTuple):
    """Standard deviations over the members of a committee.

    Attributes
    ----------
    energy : float, eV
    forces : (n_atoms,), eV/A
        Of a force component: root of the mean variance of the three, which no rotation changes.
    virial : (3, 3), eV
        Component by component.
    """

    energy: float
    forces: FloatArray
    virial: FloatArray


def spread_of(results: Results) -> Spread:
    """Spread of the members, whose energies, forces and virials must be in the results."""
    energies, forces, virials = results.member_energies, results.member_forces, results.member_virials
    if energies is None or forces is None or virials is None:
        raise EngineError("the spread requires energies, forces and virials of the members: request MEMBER_PROPERTIES")
    return Spread(float(energies.std(ddof=1)), force_spread(forces), virials.std(axis=0, ddof=1))


def force_spread(forces: FloatArray) -> FloatArray:
    """Spread of the force components of each atom ``(n_atoms,)``, from ``(n_members, n_atoms, 3)`` forces.

    >>> force_spread(np.array([[[0.0, 0.0, 0.0]], [[0.0, 0.0, 2.0]]])).round(4).tolist()
    [0.8165]
    """
    return np.asarray(np.sqrt(forces.var(axis=0, ddof=1).mean(axis=1)))
