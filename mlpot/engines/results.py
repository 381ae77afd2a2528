"""Results of an engine for one structure."""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

Property = Literal[
    "atomic_virials",
    "member_energies",
    "member_forces",
    "member_virials",
    "feature_distances",
    "neighborhood_distances",
    "descriptors",
]
"""Properties that an engine computes on request: fields of `Results`."""

MEMBER_PROPERTIES: tuple[Property, ...] = ("member_energies", "member_forces", "member_virials")
DISTANCE_PROPERTIES: tuple[Property, ...] = ("feature_distances", "neighborhood_distances")


class Results(NamedTuple):
    """Energies and their derivatives, and the requested properties.

    Attributes
    ----------
    energy : float, eV
    atomic_energies : (n_atoms,), eV
    forces : (n_atoms, 3), eV/A
    virial : (3, 3), eV
        ``-dE/dstrain``.
    atomic_virials : (n_atoms, 3, 3), eV, or None
        As in `mlpot.model.derivatives.Prediction`.
    member_energies : (n_members,), eV, or None
        Of each member of a committee, like the next two.
    member_forces : (n_members, n_atoms, 3), eV/A, or None
    member_virials : (n_members, 3, 3), eV, or None
    feature_distances : (n_atoms,), or None
        From the training set; infinite for an element that is not in it.
    neighborhood_distances : (n_atoms,), or None
        As `mlpot.model_file.feature_distance.neighborhood_distances`.
    descriptors : (n_atoms, descriptor_width), or None
    """

    energy: float
    atomic_energies: FloatArray
    forces: FloatArray
    virial: FloatArray
    atomic_virials: FloatArray | None = None
    member_energies: FloatArray | None = None
    member_forces: FloatArray | None = None
    member_virials: FloatArray | None = None
    feature_distances: FloatArray | None = None
    neighborhood_distances: FloatArray | None = None
    descriptors: FloatArray | None = None
