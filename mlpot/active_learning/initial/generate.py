"""Variants of a structure: rattles, strains, vacancies, interstitials, substitutions, random packings, slabs, files.

Every generator yields pairs of atoms and their origin: plain values for the store that describe how they were made. The
same seed gives the same structures.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from pymatgen.core.surface import SlabGenerator, get_symmetrically_distinct_miller_indices
from scipy.spatial import QhullError, Voronoi, cKDTree

from mlpot.active_learning.selection.sanity import unphysical
from mlpot.data.reading import iterate_atoms
from mlpot.errors import DataError
from mlpot.neighbors.matscipy import neighbor_list
from mlpot.properties.crystal import atoms_from, conventional_cell, quiet_pymatgen, structure_of, symmetry_of

Generated = tuple[Atoms, dict[str, Any]]

MAX_PUSHES = 300
"""Steps in which the atoms of a random packing are pushed apart, at most."""


def rattled(atoms: Atoms, amplitudes: Sequence[float], count: int, seed: int) -> Iterator[Generated]:
    """Displace all atoms at random; unphysical frames are left out.

    Parameters
    ----------
    atoms : ase.Atoms
    amplitudes : sequence of float, A
        Standard deviations of the components.
    count : int
        For each amplitude.
    seed : int
    """
    rng = np.random.default_rng(seed)
    for amplitude in amplitudes:
        for _ in range(count):
            moved = atoms.copy()
            moved.positions += rng.normal(scale=amplitude, size=moved.positions.shape)
            if unphysical(moved) is None:
                yield moved, _origin("rattle", atoms, amplitude=amplitude)


def strained(atoms: Atoms, largest: float, count: int, seed: int) -> Iterator[Generated]:
    """Strain the cell and the atoms at random, in all six components.

    Parameters
    ----------
    atoms : ase.Atoms
        Periodic in three directions.
    largest : float
        Bound of each component of the strain.
    count : int
    seed : int
    """
    rng = np.random.default_rng(seed)
    for _ in range(count):
        strain = rng.uniform(-largest, largest, (3, 3))
        strain = 0.5 * (strain + strain.T)
        deformed = atoms.copy()
        deformed.set_cell(deformed.cell.array @ (np.eye(3) + strain), scale_atoms=True)
        yield deformed, _origin("strain", atoms, strain=np.round(strain, 6).tolist())


def with_vacancies(atoms: Atoms) -> Iterator[Generated]:
    """Remove one atom from a supercell of a crystal, for each kind of site."""
    for site in np.unique(symmetry_of(atoms).equivalent_atoms):
        defect = atoms.copy()
        del defect[int(site)]
        yield defect, _origin("vacancy", atoms, site=int(site), element=atoms.symbols[site])


def with_interstitials(atoms: Atoms, elements: Sequence[str], count: int = 3) -> Iterator[Generated]:
    """Add one atom in the largest voids, at vertices of Voronoi cells.

    Parameters
    ----------
    atoms : ase.Atoms
        Supercell of a crystal.
    elements : sequence of str
    count : int
        Kinds of voids, by the distance to their nearest atom.

    Raises
    ------
    DataError
        The cell has fewer than three vectors.
    """
    if atoms.cell.rank < 3:
        raise DataError(
            f"interstitials require a cell with three vectors, {atoms.get_chemical_formula()} has "
            f"{atoms.cell.rank}: leave `interstitials` out of this system"
        )
    for position, distance in _voids(atoms)[:count]:
        for element in elements:
            defect = atoms + Atoms(element, positions=[position])
            if unphysical(defect) is None:
                yield defect, _origin("interstitial", atoms, element=element, nearest=round(distance, 3))


def substituted(atoms: Atoms, old: str, new: str, fractions: Sequence[float], seed: int) -> Iterator[Generated]:
    """Replace atoms of one element by another, at random sites.

    Parameters
    ----------
    atoms : ase.Atoms
    old, new : str
        Elements.
    fractions : sequence of float
        Of the atoms of the old element; at least one atom is replaced.
    seed : int

    Raises
    ------
    DataError
        No atom of the old element.
    """
    rng = np.random.default_rng(seed)
    sites = np.flatnonzero(atoms.symbols == old)
    if len(sites) == 0:
        raise DataError(f"nothing to substitute: {atoms.get_chemical_formula()} has no {old}")
    for fraction in fractions:
        changed = atoms.copy()
        chosen = rng.choice(sites, max(1, round(fraction * len(sites))), replace=False)
        changed.symbols[chosen] = new
        yield changed, _origin("substitution", atoms, old=old, new=new, n_replaced=len(chosen))


def random_packings(atoms: Atoms, count: int, seed: int) -> Iterator[Generated]:
    """Place the atoms at random in their cell: initial states for dynamics of the liquid.

    Overlapping atoms are pushed apart until they touch, as far as the density allows.
    """
    rng = np.random.default_rng(seed)
    radii = covalent_radii[atoms.numbers]
    for _ in range(count):
        packed = atoms.copy()
        packed.set_scaled_positions(rng.random((len(atoms), 3)))
        for _ in range(MAX_PUSHES):
            i, j, D, _ = neighbor_list(packed, float(2.0 * radii.max()))
            distances = np.linalg.norm(D, axis=1)
            overlaps = np.maximum(0.0, radii[i] + radii[j] - distances)
            np.add.at(packed.positions, i, -0.5 * (overlaps / distances)[:, None] * D)
            if overlaps.max(initial=0.0) < 0.01:
                break
        packed.wrap()
        if unphysical(packed) is None:
            yield packed, _origin("random_packing", atoms)


def slabs(atoms: Atoms, *, max_index: int = 1, thickness: float = 8.0, vacuum: float = 10.0) -> Iterator[Generated]:
    """Cut slabs with low-index surfaces out of a crystal, with all terminations.

    Parameters
    ----------
    atoms : ase.Atoms
        Any cell of a crystal.
    max_index : int
        Largest Miller index.
    thickness, vacuum : float, A
        At least. The slabs are periodic in three directions, as plane-wave codes require.
    """
    crystal = conventional_cell(atoms)
    with quiet_pymatgen():
        bulk = structure_of(crystal)
        for miller in get_symmetrically_distinct_miller_indices(bulk, max_index):
            generator = SlabGenerator(bulk, miller, thickness, vacuum, lll_reduce=True, center_slab=True)
            for slab in generator.get_slabs():
                yield atoms_from(slab), _origin("slab", atoms, miller=[int(one) for one in miller])


def from_file(path: Path) -> Iterator[Generated]:
    """Structures of a file that ASE reads, without their labels."""
    for index, atoms in enumerate(iterate_atoms(path)):
        yield atoms, {"kind": str(atoms.info.get("config_type", "given")), "file": path.name, "frame": index}


def _voids(atoms: Atoms) -> list[tuple[np.ndarray[Any, np.dtype[np.float64]], float]]:
    """Centers of voids and their distance to the nearest atom, one of each kind, the largest first."""
    near = np.array([[x, y, z] for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-1, 0, 1)]) @ atoms.cell.array
    points = (atoms.positions[None] + near[:, None]).reshape(-1, 3)
    try:
        # Perfect lattices are degenerate: a tiny random shift makes the vertices unique.
        vertices = Voronoi(points + np.random.default_rng(0).normal(scale=1e-6, size=points.shape)).vertices
    except QhullError as error:
        raise DataError(f"no voids found in {atoms.get_chemical_formula()}: {error}") from error
    scaled = vertices @ np.linalg.inv(atoms.cell.array)
    vertices = vertices[((scaled > -1e-6) & (scaled < 1 - 1e-6)).all(axis=1)]
    distances = cKDTree(points).query(vertices)[0]
    voids: list[tuple[np.ndarray[Any, np.dtype[np.float64]], float]] = []
    smallest = 0.5 * float(covalent_radii[atoms.numbers].min())
    for index in np.argsort(-distances, kind="stable"):
        if distances[index] > smallest and all(abs(distances[index] - one) > 0.05 for _, one in voids):
            voids.append((vertices[index], float(distances[index])))
    return voids


def _origin(kind: str, parent: Atoms, **details: object) -> dict[str, Any]:
    return {"kind": kind, "parent": parent.get_chemical_formula(), "parent_atoms": len(parent), **details}
