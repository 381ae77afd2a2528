"""Interface of both engines, and the species indices of a structure."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from mlpot.engines.results import Property, Results
from mlpot.model_file.manifest import Manifest, Precision
from mlpot.neighbors.matscipy import species_of

EngineName = Literal["native", "torch"]


class Engine(Protocol):
    """A model with a neighbor list for one moving structure, for one Python thread. All engines give the same results.

    Attributes
    ----------
    manifest : Manifest
    path : Path
        Of the model file, for messages.
    name : str
        Name with instruction set or version, such as ``native (avx512)``.
    precision : {"mixed", "double"}
    member_energies_are_free : bool
        Whether the energies of the members of a committee cost next to nothing.
    """

    manifest: Manifest
    path: Path
    name: str
    precision: Precision
    member_energies_are_free: bool

    @property
    def description(self) -> str:
        """Engine, precision and threads, such as ``native engine (avx512), mixed precision, 1 thread``."""

    def compute(self, atoms: Atoms, properties: Collection[Property] = ()) -> Results:
        """Energies and their derivatives of one structure, and the requested properties.

        Parameters
        ----------
        atoms : ase.Atoms
        properties : collection of str
            Fields of `Results` that are computed on request.

        Returns
        -------
        Results
            May contain values that are not finite.

        Raises
        ------
        DataError
            Unknown elements, positions or a cell that are not finite, two atoms at one place.
        EngineError
            Properties that the model file does not have.
        """

    def compute_batch(self, structures: Sequence[Atoms]) -> list[Results]:
        """Energies and their derivatives of several structures at once, with new neighbor lists."""

    def copy(self) -> "Engine":
        """Another engine with the same model and its own neighbor list."""


class SpeciesIndices:
    """Index of each atom's element in the model, computed again only when the elements change."""

    def __init__(self, atomic_numbers: list[int]) -> None:
        self._known = atomic_numbers
        self._latest: tuple[NDArray[np.int64], NDArray[np.int32]] | None = None  # atomic numbers and their indices

    def of(self, atoms: Atoms) -> NDArray[np.int32]:
        """Return the indices of all atoms, ``(n_atoms,)``."""
        latest = self._latest
        if latest is None or not np.array_equal(latest[0], atoms.numbers):
            self._latest = latest = atoms.numbers.copy(), species_of(atoms, self._known).astype(np.int32)
        return latest[1]
