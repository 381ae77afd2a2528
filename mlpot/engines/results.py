"""What an engine computes for one structure."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


class MembersAnswer(NamedTuple):
    """What the members of a committee say of one structure.

    Attributes
    ----------
    energy : (n_members,), eV
    forces : (n_members, n_atoms, 3), eV/A
    virial : (n_members, 3, 3), eV
    """

    energy: FloatArray
    forces: FloatArray
    virial: FloatArray
