"""One structure with its labels: what reading produces and everything behind it consumes.

Labels are float64, in eV, eV/A and eV/A^3 (stress with ASE's sign, tension positive); their shapes, finiteness and
symmetry are checked when the object is made, so that no later code has to.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from mlpot.errors import DataError

FloatArray = NDArray[np.float64]
VOIGT = np.array([[0, 5, 4], [5, 1, 3], [4, 3, 2]])


@dataclass(frozen=True, eq=False)
class LabelledStructure:
    """Atoms with reference labels; a label that does not exist is None.

    Attributes
    ----------
    atoms : ase.Atoms
        Numbers, positions, cell, pbc and the `info` that is not a label; no calculator, no constraints.
    energy : float or None, eV
        Total energy (the free energy where electrons are smeared).
    forces : (n_atoms, 3) or None, eV/A
    stress : (3, 3) or None, eV/A^3
        ``(1/V) dE/dstrain``; also accepted as the six components xx, yy, zz, yz, xz, xy.
    config_type : str
        Group of the structure, for reports and for splits.
    weight : float
        Factor on the structure's part of the training loss.
    """

    atoms: Atoms
    energy: float | None = None
    forces: FloatArray | None = None
    stress: FloatArray | None = None
    config_type: str = "default"
    weight: float = 1.0

    def __post_init__(self) -> None:
        if self.energy is not None:
            object.__setattr__(self, "energy", float(_finite("energy", self.energy, ())))
        if self.forces is not None:
            object.__setattr__(self, "forces", _finite("forces", self.forces, (len(self.atoms), 3)))
        if self.stress is not None:
            object.__setattr__(self, "stress", full_tensor("stress", self.stress))
        object.__setattr__(self, "weight", float(_finite("weight", self.weight, ())))
        if self.weight < 0:
            raise DataError(f"`weight` must not be negative, got {self.weight}")

    @property
    def volume(self) -> float:
        """Volume of the cell in A^3; zero where the cell has fewer than three vectors, NaN where it is not finite."""
        cell = self.atoms.cell.array
        return float(abs(np.linalg.det(cell))) if np.isfinite(cell).all() else np.nan

    @property
    def is_isolated_atom(self) -> bool:
        """A lone atom: marked so by its config_type, or a single atom without periodic images."""
        marked = self.config_type.lower().replace("_", "") == "isolatedatom"
        return len(self.atoms) == 1 and (marked or not self.atoms.pbc.any())


def full_tensor(name: str, value: object) -> FloatArray:
    """Symmetric (3, 3) tensor from nine components, or from six in the order xx, yy, zz, yz, xz, xy.

    Raises
    ------
    DataError
        Another number of components, values that are not finite, or an antisymmetric part above 1 % of the tensor.
    """
    array = _as_float(name, value)
    if array.size not in (6, 9):
        raise DataError(f"`{name}` must have 6 or 9 components, got shape {array.shape}")
    array = _finite(name, array.ravel()[VOIGT] if array.size == 6 else array.reshape(3, 3), (3, 3))
    asymmetry = float(np.abs(array - array.T).max())
    if asymmetry > max(0.01 * float(np.abs(array).max()), 1e-6):
        raise DataError(f"`{name}` must be symmetric, got components that differ by {asymmetry:.3g}: {array.tolist()}")
    symmetric: FloatArray = 0.5 * (array + array.T)
    return symmetric


def _as_float(name: str, value: object) -> FloatArray:
    try:
        return np.array(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"`{name}` must be numbers, got {value!r}") from error


def _finite(name: str, value: object, shape: tuple[int, ...]) -> FloatArray:
    array = _as_float(name, value)
    if array.shape != shape:
        raise DataError(f"`{name}` must have shape {shape}, got {array.shape}")
    if not np.isfinite(array).all():
        raise DataError(f"`{name}` must be finite, got {np.count_nonzero(~np.isfinite(array))} NaN or infinite values")
    return array


class Subset(Sequence[LabelledStructure]):
    """Some structures of a sequence, by index; nothing is copied or loaded.

    Parameters
    ----------
    structures : sequence of LabelledStructure
    indices : sequence of int
    """

    def __init__(self, structures: Sequence[LabelledStructure], indices: Sequence[int]) -> None:
        self.structures = structures
        self.indices = [int(i) for i in indices]

    def __len__(self) -> int:
        return len(self.indices)

    @overload
    def __getitem__(self, index: int) -> LabelledStructure: ...
    @overload
    def __getitem__(self, index: slice) -> "Subset": ...
    def __getitem__(self, index: int | slice) -> "LabelledStructure | Subset":
        if isinstance(index, slice):
            return Subset(self.structures, self.indices[index])
        return self.structures[self.indices[index]]

    def __iter__(self) -> Iterator[LabelledStructure]:
        return (self.structures[i] for i in self.indices)
