"""Do energies, forces and stresses belong together? Seen from pairs of similar structures.

Between two similar structures the energy changes by the work of the mean force and stress,
``dE = -F . dx + V stress : strain``. The slope of one side against the other is 1; a wrong unit or sign gives
another slope, a change of the DFT settings a jump. There is no finding where the pairs are too far apart.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mlpot.data.structure import FloatArray, LabelledStructure

PER_FAMILY = 300  # structures of one composition that are compared with each other
TOTAL = 3000  # structures looked at in all


@dataclass(frozen=True)
class WorkPair:
    """Two similar structures with the same atoms in the same order.

    Attributes
    ----------
    frames : tuple of int
    n_atoms : int
    distance : float, A
        Root mean square displacement, rotation and translation taken off.
    energy_change : float, eV
    force_work : float, eV
        Minus the mean force times the displacement.
    stress_work : float, eV
        Volume times mean stress times strain; NaN without stresses; zero where the cells are equal.
    volume_work : float, A^3
        Volume times the trace of the strain.
    strain : float
        Largest component of the strain.
    volume : float, A^3
    stiffness : float, eV/A^2
        Minus the change of the forces along the displacement over its length.
    stress_stiffness : float, eV/A^3
        Change of the stress along the strain, a mean elastic constant; NaN without stresses or strain.
    """

    frames: tuple[int, int]
    n_atoms: int
    distance: float
    energy_change: float
    force_work: float
    stress_work: float
    volume_work: float
    strain: float
    volume: float
    stiffness: float
    stress_stiffness: float


def work_pairs(structures: Sequence[LabelledStructure]) -> list[WorkPair]:
    """Each structure with its most similar one, where both have energy and forces.

    At most `TOTAL` structures are looked at, evenly spread in runs.
    """
    families: dict[bytes, list[tuple[int, LabelledStructure]]] = {}
    for frame in _sample(len(structures)):
        structure = structures[frame]
        atoms = structure.atoms
        usable = structure.energy is not None and structure.forces is not None and len(atoms) > 1
        if usable and _is_plain(structure):
            family = families.setdefault(atoms.numbers.tobytes() + bytes(atoms.pbc.astype(np.uint8)), [])
            if len(family) < PER_FAMILY:
                family.append((frame, structure))
    return [pair for family in families.values() if len(family) > 1 for pair in _pairs_of(family)]


def _sample(n_structures: int) -> Iterator[int]:
    """Spread runs of 100 over the set: neighbors in a trajectory are similar."""
    runs = max(1, TOTAL // 100)
    step = max(100, -(-n_structures // runs))
    for start in range(0, n_structures, step):
        yield from range(start, min(start + 100, n_structures))


def _is_plain(structure: LabelledStructure) -> bool:
    """Molecule, or a cell with volume; finite."""
    atoms = structure.atoms
    shaped = structure.volume > 1e-9 or not atoms.pbc.any()
    return shaped and bool(np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell.array).all())


def _pairs_of(family: list[tuple[int, LabelledStructure]]) -> Iterator[WorkPair]:
    periodic = bool(family[0][1].atoms.pbc.any())
    descriptors = np.array([_descriptor(structure) for _, structure in family])
    seen = set()
    for a in range(len(family)):
        separation = np.linalg.norm(descriptors - descriptors[a], axis=1)
        if periodic:
            separation = _periodic_separation(descriptors, a, family)
        separation[a] = np.inf
        b = int(np.argmin(separation))
        if (b, a) not in seen and separation[b] > 0:
            seen.add((a, b))
            yield (_periodic_pair if periodic else _molecule_pair)(family[a], family[b])


def _descriptor(structure: LabelledStructure) -> FloatArray:
    """Scaled coordinates of a crystal; distances from the centre and along the chain of atoms of a molecule."""
    atoms = structure.atoms
    if atoms.pbc.any():
        scaled: FloatArray = (atoms.positions @ np.linalg.inv(atoms.cell.array)).ravel()
        return scaled
    positions = atoms.positions
    steps = [np.linalg.norm(positions[k:] - positions[:-k], axis=1) for k in range(1, min(len(positions), 12))]
    return np.concatenate([np.linalg.norm(positions - positions.mean(axis=0), axis=1), *steps])


def _periodic_separation(scaled: FloatArray, a: int, family: list[tuple[int, LabelledStructure]]) -> FloatArray:
    """Root mean square displacement and strain of all structures against one, A."""
    cell = family[a][1].atoms.cell.array
    difference = (scaled - scaled[a]).reshape(len(scaled), -1, 3)
    difference -= np.round(difference)
    difference -= difference.mean(axis=1, keepdims=True)
    moved = np.sqrt(((difference @ cell) ** 2).sum(axis=2).mean(axis=1))
    cells = np.array([structure.atoms.cell.array for _, structure in family])
    result: FloatArray = moved + np.abs(cells - cell).max(axis=(1, 2))
    return result


def _periodic_pair(first: tuple[int, LabelledStructure], second: tuple[int, LabelledStructure]) -> WorkPair:
    a, b = first[1], second[1]
    cell_a, cell_b = a.atoms.cell.array, b.atoms.cell.array
    mean_cell = 0.5 * (cell_a + cell_b)
    scaled = b.atoms.positions @ np.linalg.inv(cell_b) - a.atoms.positions @ np.linalg.inv(cell_a)
    scaled -= np.round(scaled)
    moved = (scaled - scaled.mean(axis=0)) @ mean_cell
    gradient = np.linalg.solve(mean_cell, cell_b - cell_a)
    strain = 0.5 * (gradient + gradient.T)
    stress_work, stress_stiffness = np.nan, np.nan
    if np.abs(cell_b - cell_a).max() < 1e-6:
        strain[:] = stress_work = 0.0
    elif a.stress is not None and b.stress is not None:
        stress_work = 0.5 * float(np.sum((a.volume * a.stress + b.volume * b.stress) * strain))
        stress_stiffness = float(np.sum((b.stress - a.stress) * strain) / np.sum(strain**2))
    return _pair(first, second, moved, b.forces, strain, stress_work, stress_stiffness)


def _molecule_pair(first: tuple[int, LabelledStructure], second: tuple[int, LabelledStructure]) -> WorkPair:
    """Turn the second molecule onto the first one (Kabsch) and compare."""
    a = first[1].atoms.positions - first[1].atoms.positions.mean(axis=0)
    b = second[1].atoms.positions - second[1].atoms.positions.mean(axis=0)
    left, _, right = np.linalg.svd(b.T @ a)
    turn = left @ np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))]) @ right
    forces = second[1].forces
    return _pair(first, second, b @ turn - a, None if forces is None else forces @ turn, np.zeros((3, 3)), 0.0, np.nan)


def _pair(
    first: tuple[int, LabelledStructure],
    second: tuple[int, LabelledStructure],
    moved: FloatArray,
    forces_b: FloatArray | None,
    strain: FloatArray,
    stress_work: float,
    stress_stiffness: float,
) -> WorkPair:
    a, b = first[1], second[1]
    forces_a = np.zeros_like(moved) if a.forces is None else a.forces
    forces_b = np.zeros_like(moved) if forces_b is None else forces_b
    length = float(np.sum(moved**2))
    return WorkPair(
        (first[0], second[0]),
        len(a.atoms),
        float(np.sqrt(length / len(moved))),
        (b.energy or 0.0) - (a.energy or 0.0),
        -0.5 * float(np.sum((forces_a + forces_b) * moved)),
        stress_work,
        0.5 * (a.volume + b.volume) * float(np.trace(strain)),
        float(np.abs(strain).max()),
        0.5 * (a.volume + b.volume),
        -float(np.sum((forces_b - forces_a) * moved)) / length if length > 1e-10 else np.nan,
        stress_stiffness,
    )
