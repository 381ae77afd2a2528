"""Structures for the checks: random ones of the model's elements, rattled crystals, supercells."""

from collections.abc import Sequence

import numpy as np
from ase import Atoms

from mlpot.neighbors.matscipy import FloatArray, neighbor_list
from mlpot.properties.crystal import face_distances
from mlpot.properties.short_range import contact

FAR = 1.6


def random_cell(symbols: Sequence[str], rng: np.random.Generator, n_atoms: int = 8) -> Atoms:
    """Dense random atoms in a triclinic cell, none much closer than covalent contact.

    Parameters
    ----------
    symbols : sequence of str
        Each occurs.
    rng : numpy.random.Generator
    n_atoms : int
        At least.

    Returns
    -------
    ase.Atoms
    """
    chosen = [symbols[k % len(symbols)] for k in range(max(n_atoms, len(symbols)))]
    side = (1.6 * np.mean([contact(s, s) ** 3 for s in chosen]) * len(chosen)) ** (1 / 3)
    cell = side * (np.eye(3) + rng.uniform(-0.15, 0.15, (3, 3)))
    return Atoms(chosen, scaled_positions=scattered(len(chosen), cell, rng), cell=cell, pbc=True)


def scattered(n_atoms: int, cell: FloatArray, rng: np.random.Generator, tries: int = 60) -> FloatArray:
    """Random positions, each the best of several draws: the farthest from the previous ones, images included.

    Parameters
    ----------
    n_atoms : int
    cell : (3, 3), A
    rng : numpy.random.Generator
    tries : int

    Returns
    -------
    scaled_positions : (n_atoms, 3)
    """
    images = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    places = [rng.random(3)]
    while len(places) < n_atoms:
        draws = rng.random((tries, 3))
        others = (np.array(places)[:, None] + images).reshape(-1, 3)
        distances = np.linalg.norm((draws[:, None] - others) @ cell, axis=2).min(axis=1)
        places.append(draws[distances.argmax()])
    return np.array(places)


def rattled(atoms: Atoms, amplitude: float, rng: np.random.Generator) -> Atoms:
    """Copy with random displacements.

    Parameters
    ----------
    atoms : ase.Atoms
    amplitude : float, A
        Standard deviation of each component.
    rng : numpy.random.Generator

    Returns
    -------
    ase.Atoms
    """
    moved = atoms.copy()
    moved.positions += amplitude * rng.standard_normal(moved.positions.shape)
    return moved


def scaled(atoms: Atoms, ratio: float) -> Atoms:
    """Copy with all lengths scaled, cell or no cell.

    Parameters
    ----------
    atoms : ase.Atoms
    ratio : float
        Of the volumes.

    Returns
    -------
    ase.Atoms
    """
    changed = atoms.copy()
    factor = ratio ** (1 / 3)
    changed.set_cell(atoms.cell.array * factor)
    changed.positions = atoms.positions * factor
    return changed


def closeness(atoms: Atoms) -> float:
    """Smallest distance between two atoms over the sum of their covalent radii.

    Parameters
    ----------
    atoms : ase.Atoms

    Returns
    -------
    float
        Infinite where no two atoms are closer than `FAR` times the largest sum.
    """
    pairs = {(a, b): contact(a, b) for a in set(atoms.symbols) for b in set(atoms.symbols)}
    i, j, vectors, _ = neighbor_list(atoms, FAR * max(pairs.values()))
    if len(i) == 0:
        return float("inf")
    symbols = atoms.get_chemical_symbols()
    contacts = np.array([pairs[symbols[a], symbols[b]] for a, b in zip(i, j, strict=True)])
    return float((np.linalg.norm(vectors, axis=1) / contacts).min())


def enlarged(atoms: Atoms, n_atoms: int) -> Atoms:
    """Supercell with sides as equal as possible; other structures than crystals are returned unchanged.

    Parameters
    ----------
    atoms : ase.Atoms
    n_atoms : int
        At least.

    Returns
    -------
    ase.Atoms
    """
    times = np.ones(3, dtype=np.int64)
    while atoms.pbc.all() and len(atoms) * times.prod() < n_atoms:
        times[(face_distances(atoms) * times).argmin()] += 1
    return atoms.repeat(times)


def timestep_for(atoms: Atoms) -> float:
    """Timestep of MD far above the melting point, from the mass of the lightest atom.

    Parameters
    ----------
    atoms : ase.Atoms

    Returns
    -------
    float, fs
    """
    return float(min(1.0, 0.25 * np.sqrt(atoms.get_masses().min())))
