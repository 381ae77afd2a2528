"""Properties of each structure that the checks need, collected in one pass so that sets on disk are read once."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from ase.data import covalent_radii
from numpy.typing import NDArray

from mlpot.data.hashing import geometry_digest
from mlpot.data.structure import FloatArray, LabelledStructure
from mlpot.errors import DataError
from mlpot.neighbors.matscipy import neighbor_list

SEARCH_RADIUS = 4.0  # A; beyond every covalent bond
FAR_RADIUS = 8.0  # A; where the former finds nothing
NO_FINGERPRINT = np.zeros(0)


@dataclass(frozen=True, eq=False)
class FrameRecord:
    """One structure in figures.

    Attributes
    ----------
    frame : int
        Index in the data set.
    numbers : (n_atoms,)
    structure_error : str or None
        Error message of the neighbor search.
    closest : float
        Shortest distance over the sum of the covalent radii; NaN without a pair within `FAR_RADIUS`.
    closest_pair : str
        That pair in words.
    fingerprint : (n_atoms,)
        Sorted invariants of the atoms' surroundings: equal for structures that differ by a rotation, a translation,
        the order of the atoms or their periodic images.
    digest : bytes
        Of the exact geometry.
    net_force : float or None, eV/A
        Length of the sum of the forces.
    force_rms, force_max : float or None, eV/A
        Root mean square of the components; longest force.
    n_zero_forces : int
        Atoms whose force is exactly zero.
    """

    frame: int
    structure: str
    numbers: NDArray[np.int64]
    config_type: str
    is_isolated_atom: bool
    n_periodic: int
    volume: float
    energy: float | None
    has_forces: bool
    stress: FloatArray | None
    structure_error: str | None
    closest: float
    closest_pair: str
    fingerprint: FloatArray
    digest: bytes
    net_force: float | None
    force_rms: float | None
    force_max: float | None
    n_zero_forces: int

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return len(self.numbers)


def scan(structures: Iterable[LabelledStructure]) -> list[FrameRecord]:
    """Gather the records of a data set."""
    return [_record(frame, structure) for frame, structure in enumerate(structures)]


def _record(frame: int, structure: LabelledStructure) -> FrameRecord:
    atoms = structure.atoms
    error, closest, pair, fingerprint = _surroundings(structure)
    forces = structure.forces if structure.forces is not None and len(atoms) else None
    lengths = np.linalg.norm(forces, axis=1) if forces is not None else None
    return FrameRecord(
        frame=frame,
        structure=atoms.get_chemical_formula(),
        numbers=np.asarray(atoms.numbers, dtype=np.int64),
        config_type=structure.config_type,
        is_isolated_atom=structure.is_isolated_atom,
        n_periodic=int(atoms.pbc.sum()),
        volume=structure.volume,
        energy=structure.energy,
        has_forces=structure.forces is not None,
        stress=structure.stress,
        structure_error=error,
        closest=closest,
        closest_pair=pair,
        fingerprint=fingerprint,
        digest=geometry_digest(structure),
        net_force=None if forces is None else float(np.linalg.norm(forces.sum(axis=0))),
        force_rms=None if forces is None else float(np.sqrt(np.mean(forces**2))),
        force_max=None if lengths is None else float(lengths.max()),
        n_zero_forces=0 if lengths is None else int(np.count_nonzero(lengths == 0)),
    )


def _surroundings(structure: LabelledStructure) -> tuple[str | None, float, str, FloatArray]:
    """Error of the neighbor search, closest pair and its words, fingerprint."""
    atoms = structure.atoms
    if len(atoms) == 0:
        return "there are no atoms", np.nan, "", NO_FINGERPRINT
    try:
        i, j, vectors, _ = neighbor_list(atoms, SEARCH_RADIUS)
    except DataError as error:
        return str(error), np.nan, "", NO_FINGERPRINT
    distances = np.linalg.norm(vectors, axis=1)
    # Smooth in the distance and zero at the radius, so that rounding cannot move a neighbor in or out.
    weights = (1 - (distances / SEARCH_RADIUS) ** 2) ** 3 * np.sqrt(atoms.numbers[j])
    invariants = np.bincount(i, weights, minlength=len(atoms)) * atoms.numbers + 1e3 * atoms.numbers
    if len(distances) == 0:
        i, j, vectors, _ = neighbor_list(atoms, FAR_RADIUS)
        distances = np.linalg.norm(vectors, axis=1)
    if len(distances) == 0:
        return None, np.nan, "", np.sort(invariants)
    ratios = distances / (covalent_radii[atoms.numbers[i]] + covalent_radii[atoms.numbers[j]])
    k = int(np.argmin(ratios))
    words = f"{atoms.symbols[i[k]]}-{atoms.symbols[j[k]]} at {distances[k]:.3f} A (atoms {i[k]}, {j[k]})"
    return None, float(ratios[k]), words, np.sort(invariants)
