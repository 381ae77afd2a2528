"""Spread of the members of a committee: how much they disagree, in the units of the quantity, not an error bar yet."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlpot.engines.results import MembersAnswer

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


def spread_of(members: MembersAnswer) -> Spread:
    """Spread of the members.

    Parameters
    ----------
    members : MembersAnswer

    Returns
    -------
    Spread
    """
    return Spread(
        float(members.energy.std(ddof=1)),
        force_spread(members.forces),
        members.virial.std(axis=0, ddof=1),
    )


def force_spread(forces: FloatArray) -> FloatArray:
    """Spread of the force components of each atom.

    Parameters
    ----------
    forces : (n_members, n_atoms, 3), eV/A

    Returns
    -------
    spread : (n_atoms,), eV/A
    """
    return np.asarray(np.sqrt(forces.var(axis=0, ddof=1).mean(axis=1)))
