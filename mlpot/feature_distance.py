"""Distance of an atom's descriptors from those of the training set, as a model file holds it.

`mlpot.uncertainty.distance` says what it is and fits it; here it is read and applied where torch computes the
descriptors. The native engine has its own way from the same tensors.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from mlpot.manifest import TENSORS, member, read_sealed

FloatArray = NDArray[np.float64]
PREFIX = "distance."


class FeatureDistance(NamedTuple):
    """Distance from a training set.

    Attributes
    ----------
    mean : (n_species, descriptor_width)
    whitening : (n_species, descriptor_width, descriptor_width)
        Lower triangular, divided by ``sqrt(descriptor_width)``; zero for elements without atoms.
    """

    mean: FloatArray
    whitening: FloatArray

    def of(self, descriptors: FloatArray, species: NDArray[np.integer]) -> FloatArray:
        """Distance of each atom.

        Parameters
        ----------
        descriptors : (n_atoms, descriptor_width)
        species : (n_atoms,)

        Returns
        -------
        distances : (n_atoms,)
            Infinite for an element that the training set did not have.
        """
        distances = np.zeros(len(species))
        for index in np.unique(species):
            own = species == index
            if not self.whitening[index].any():
                distances[own] = np.inf
                continue
            away = (descriptors[own] - self.mean[index]) @ self.whitening[index].T
            distances[own] = np.linalg.norm(away, axis=1)
        return distances

    def tensors(self) -> dict[str, FloatArray]:
        """Plain arrays for the model file, by name."""
        return {PREFIX + name: array for name, array in self._asdict().items()}


def distance_from_file(path: Path) -> FeatureDistance:
    """Read the distance in a model file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    FeatureDistance
    """
    tensors = safetensors.numpy.load(member(read_sealed(path), TENSORS))
    return FeatureDistance(*(tensors[PREFIX + name].astype(np.float64) for name in FeatureDistance._fields))
