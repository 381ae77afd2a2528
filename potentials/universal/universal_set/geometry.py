"""Changes of structures at no cost: strains, volumes, thermal displacements, and how close atoms are.

Thermal displacements and the steps of relaxations rest on a crude elastic network: springs of k = 60 / d^3 eV/A^2
(d in A) between neighbors, which fade beyond the nearest ones. It is right within a factor of two from Na to diamond
and O-H, so that stiff bonds move less than soft ones.
"""

import numpy as np
from ase import Atoms, units
from matscipy.neighbours import neighbour_list

from universal_set.elements import RADII

SPRING = 60.0  # eV A: k d^3
FADING = 4.0  # decay of a spring with the distance beyond the nearest neighbors, in units of that distance
BENDING = 0.1  # stiffness across a bond over that along it
SOFTEST = 0.3  # eV/A^2, floor of the stiffness of any mode
SOFTEST_BULK = 1e-3  # eV/A^3, where no two atoms are neighbors
REACH = 5.5  # A, of springs
ISOLATED_MARGIN = 8.0  # A, around what is not periodic, beyond the teacher's cutoff


def reduced_formula(atoms: Atoms) -> str:
    """Give the formula with the smallest whole numbers, in Hill's order."""
    return str(atoms.symbols.formula.reduce()[0].format("hill"))


def boxed(atoms: Atoms) -> Atoms:
    """Copy in a periodic box, if it is not periodic, in which images do not meet."""
    result = atoms.copy()
    if not atoms.pbc.all():
        result.center(vacuum=ISOLATED_MARGIN)
        result.pbc = True
    return result


def neighbors(atoms: Atoms, reach: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Centers, neighbors, vectors (n, 3) and distances (n,) in A of all pairs within `reach` A."""
    inside = boxed(atoms)
    return neighbour_list("ijDd", positions=inside.positions, cell=inside.cell.array, pbc=inside.pbc, cutoff=reach)


def closest_contact(atoms: Atoms) -> float:
    """Smallest distance over the sum of the two covalent radii; infinite if no two atoms are near."""
    i, j, _, distances = neighbors(atoms, 4.5)
    radii = RADII[atoms.numbers]
    return float((distances / (radii[i] + radii[j])).min(initial=np.inf))


def nearest_distances(atoms: Atoms) -> np.ndarray:
    """Distance of each atom to its nearest neighbor, (n_atoms,), A; REACH where there is none nearer."""
    i, _, _, distances = neighbors(atoms, REACH)
    nearest = np.full(len(atoms), REACH)
    np.minimum.at(nearest, i, distances)
    return nearest


def springs(atoms: Atoms) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Centers, neighbors, vectors (n, 3) in A and stiffness (n,) in eV/A^2 of the elastic network."""
    i, j, vectors, distances = neighbors(atoms, REACH)
    nearest = nearest_distances(atoms)
    usual = np.sqrt(nearest[i] * nearest[j])
    return i, j, vectors, SPRING / distances**3 * np.exp(-FADING * np.maximum(distances / usual - 1, 0))


def stiffness(atoms: Atoms) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues (3 n_atoms,) in eV/A^2, not below SOFTEST, and modes (columns) of the elastic network."""
    i, j, vectors, constants = springs(atoms)
    along = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    blocks = constants[:, None, None] * (along[:, :, None] * along[:, None, :] + BENDING * np.eye(3))
    hessian = np.zeros((len(atoms), len(atoms), 3, 3))
    np.add.at(hessian, (i, i), blocks)
    np.subtract.at(hessian, (i, j), blocks)
    values, modes = np.linalg.eigh(hessian.transpose(0, 2, 1, 3).reshape(3 * len(atoms), -1))
    return np.maximum(values, SOFTEST), modes


def bulk_stiffness(atoms: Atoms) -> float:
    """Three times the bulk modulus of the elastic network, eV/A^3 and not below SOFTEST_BULK: pressure over strain."""
    _, _, vectors, constants = springs(atoms)
    return max(SOFTEST_BULK, float((constants * (vectors**2).sum(1)).sum() / (6 * atoms.get_volume())))


def scaled(atoms: Atoms, ratio: float) -> Atoms:
    """Copy with `ratio` times the volume."""
    return deformed(atoms, np.eye(3) * (ratio ** (1 / 3) - 1))


def deformed(atoms: Atoms, strain: np.ndarray) -> Atoms:
    """Copy under the given (3, 3) strain."""
    result = atoms.copy()
    result.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    return result


def strained(atoms: Atoms, rng: np.random.Generator, width: float) -> Atoms:
    """Copy under a random symmetric strain with normally distributed components of `width`."""
    strain = rng.normal(0, width, (3, 3))
    return deformed(atoms, (strain + strain.T) / 2)


def displaced(atoms: Atoms, displacements: np.ndarray, closest: float = 0.6) -> Atoms:
    """Copy with displacements (n_atoms, 3) in A, made smaller until no contact is closer than `closest` radii.

    What is closer already may come 5 % closer, not more.
    """
    closest = min(closest, 0.95 * closest_contact(atoms))
    for factor in 0.8 ** np.arange(12):
        result = atoms.copy()
        result.positions += factor * displacements
        if closest_contact(result) >= closest:
            return result
    return atoms.copy()


def rattled(atoms: Atoms, rng: np.random.Generator, width: float) -> Atoms:
    """Copy with normal displacements of `width` A in each direction, the same for every atom."""
    return displaced(atoms, rng.normal(0, width, (len(atoms), 3)))


def thermal(atoms: Atoms, rng: np.random.Generator, temperature: float) -> Atoms:
    """Copy with displacements as the elastic network has them at `temperature` K, classically.

    They are random numbers times the inverse square root of the Hessian, which does not depend on how LAPACK chooses
    among modes of one stiffness: structures come again on other machines.
    """
    values, modes = stiffness(atoms)
    amplitudes = modes.T @ rng.normal(0, 1, values.size) * np.sqrt(units.kB * temperature / values)
    return displaced(atoms, (modes @ amplitudes).reshape(-1, 3))


def repeated(atoms: Atoms, target: int, most: int = 40) -> Atoms:
    """Supercell of about `target` atoms and at most `most`, as close to a cube as its cell allows."""
    counts = np.ones(3, dtype=int)
    while len(atoms) * counts.prod() < target:
        grown = counts.copy()
        grown[np.argmin(np.linalg.norm(atoms.cell.array, axis=1) * counts)] += 1
        if len(atoms) * grown.prod() > most:
            break
        counts = grown
    return atoms.repeat(tuple(int(count) for count in counts))
