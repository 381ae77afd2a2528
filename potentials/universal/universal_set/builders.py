"""Structures built from scratch or from seed crystals: other chemistry, lattices, slabs, packings, clusters."""

import numpy as np
from ase import Atoms
from ase.build import bulk, molecule, surface
from ase.collections import g2

from universal_set.elements import ELECTRONEGATIVITY, METALS, RADII, RELATIVES, bond_length, crystal_distance
from universal_set.geometry import closest_contact, neighbors, scaled
from universal_set.seeds import LARGEST, Seeds

LATTICES = ("fcc", "bcc", "hcp", "diamond", "sc")
_CELL_OVER_BOND = {"fcc": 2**0.5, "bcc": 2 / 3**0.5, "hcp": 1.0, "diamond": 4 / 3**0.5, "sc": 1.0}
VACUUM = 9.0  # A, between a slab and its images, beyond the teacher's cutoff
THINNEST_SLAB = 5.0  # A
MOLECULAR_ATOMS = 32  # at most, of a box of molecules


def lattice(name: str, number: int, distance: float) -> Atoms:
    """Primitive cell of an elemental lattice with nearest neighbors at `distance` A."""
    a = distance * _CELL_OVER_BOND[name]
    ratio = {"c": a * (8 / 3) ** 0.5} if name == "hcp" else {}
    atoms = bulk("X", name, a=a, **ratio)
    atoms.numbers[:] = number
    return atoms


def with_elements(atoms: Atoms, new: dict[int, int]) -> Atoms:
    """Copy with elements replaced and the volume scaled by the mean covalent radius cubed."""
    result = atoms.copy()
    result.numbers = [new.get(int(z), int(z)) for z in atoms.numbers]
    growth = RADII[result.numbers].mean() / RADII[atoms.numbers].mean()
    if atoms.pbc.all():
        return scaled(result, growth**3)
    result.positions *= growth
    return result


def substitution(crystal: Atoms, seeds: Seeds, rng: np.random.Generator) -> dict[int, int]:
    """Other elements for a prototype: a rare pair on two of its sites, or a relative of each element.

    A pair goes to the sites of two elements in the order of electronegativity, so that anions stay anions.
    """
    old = sorted({int(z) for z in crystal.numbers}, key=ELECTRONEGATIVITY.__getitem__)
    odds = 0.8
    new: dict[int, int] = {}
    if len(old) > 1 and rng.random() < 0.65:
        sites = np.sort(rng.choice(len(old), 2, replace=False))
        pair = sorted(seeds.pair(rng), key=ELECTRONEGATIVITY.__getitem__)
        new, odds = {old[site]: z for site, z in zip(sites, pair, strict=True)}, 0.3
    for z in old:
        if z not in new:
            new[z] = int(rng.choice(RELATIVES[z])) if rng.random() < odds else z
    return new


def substituted(crystal: Atoms, seeds: Seeds, rng: np.random.Generator) -> Atoms:
    """Prototype with other elements, see `substitution`."""
    return with_elements(crystal, substitution(crystal, seeds, rng))


def binary(crystal: Atoms, pair: tuple[int, int]) -> Atoms:
    """Prototype of two elements with two others in the order of electronegativity."""
    old = sorted({int(z) for z in crystal.numbers}, key=ELECTRONEGATIVITY.__getitem__)
    return with_elements(crystal, dict(zip(old, sorted(pair, key=ELECTRONEGATIVITY.__getitem__), strict=True)))


def interface(crystal: Atoms, seeds: Seeds, rng: np.random.Generator) -> Atoms:
    """Coherent interfaces: a supercell of two to four cells along one axis, half of it with other elements."""
    count = 4 if 4 * len(crystal) <= LARGEST else 2
    repeats = [1, 1, 1]
    repeats[int(rng.integers(3))] = count
    atoms = crystal.repeat(tuple(repeats))
    upper = np.arange(len(atoms)) >= len(atoms) // 2  # cells come one after the other along the axis
    new = substitution(crystal, seeds, rng)
    before = RADII[atoms.numbers].mean()
    atoms.numbers[upper] = [new[int(z)] for z in atoms.numbers[upper]]
    return scaled(atoms, (RADII[atoms.numbers].mean() / before) ** 3)


def molecular(rng: np.random.Generator) -> Atoms:
    """Molecules of one or two kinds of the G2 set, turned at random, at about the density of their liquids."""
    kinds = [molecule(str(name)) for name in rng.choice(g2.names, 2)]
    kinds = kinds[: 1 + (rng.random() < 0.5)]
    chosen: list[Atoms] = []
    while sum(map(len, chosen)) + len(kinds[len(chosen) % len(kinds)]) <= MOLECULAR_ATOMS:
        chosen.append(kinds[len(chosen) % len(kinds)].copy())
    numbers = np.concatenate([part.numbers for part in chosen])
    volume = float((4 / 3 * np.pi * (RADII[numbers] + 0.8) ** 3).sum()) * rng.uniform(1.1, 1.8)
    for growth in 1.1 ** np.arange(20):
        atoms = _placed(chosen, np.cbrt(volume * growth), rng)
        if atoms is not None:
            return atoms
    raise RuntimeError(f"no place for {numbers.size} atoms of molecules in {volume * growth:.0f} A^3")


def _placed(molecules: list[Atoms], edge: float, rng: np.random.Generator) -> Atoms | None:
    """Molecules at random in a cubic cell of `edge` A, no two closer than their radii and 0.9 A; None if it is full."""
    atoms = Atoms(cell=[edge] * 3, pbc=True)
    for new in molecules:
        for _ in range(100):
            turn, _ = np.linalg.qr(rng.normal(0, 1, (3, 3)))
            positions = (new.positions - new.positions.mean(axis=0)) @ turn + edge * rng.random(3)
            ways = positions[:, None] - atoms.positions[None]
            distances = np.linalg.norm(ways - edge * np.round(ways / edge), axis=-1)
            if (distances > RADII[new.numbers][:, None] + RADII[atoms.numbers][None] + 0.9).all():
                atoms += Atoms(numbers=new.numbers, positions=positions)
                break
        else:
            return None
    return atoms


def alloy(seeds: Seeds, rng: np.random.Generator) -> Atoms:
    """Two to five elements, most often metals, at random on a lattice of 6 to 16 sites."""
    elements: set[int] = set()
    only_metals, n_elements = rng.random() < 0.75, rng.integers(2, 6)
    while len(elements) < n_elements:
        number = seeds.element(rng)
        if number in METALS or not only_metals:
            elements.add(number)
    name = str(rng.choice(LATTICES, p=(0.35, 0.3, 0.15, 0.05, 0.15)))
    chosen = np.array(sorted(elements))
    cell = {"hcp": (2, 2, 2), "diamond": (2, 2, 2)}.get(name, (2, 2, 3))
    atoms = lattice(name, int(chosen[0]), 1.0).repeat(cell)
    atoms.numbers = rng.permutation(np.resize(chosen, len(atoms)))
    mean = np.mean([crystal_distance(int(z), rng) for z in atoms.numbers])
    return scaled(atoms, mean**3)


def slab(crystal: Atoms, rng: np.random.Generator) -> Atoms | None:
    """Slab of a crystal along small random indices, periodic with vacuum; None if it would be too large."""
    indices = (0, 0, 0)
    while indices == (0, 0, 0):
        indices = tuple(int(k) for k in rng.integers(-1, 2, 3))
    for layers in range(1, 7):
        atoms = surface(crystal, indices, layers)
        if len(atoms) > LARGEST:
            return None
        if np.ptp(atoms.positions[:, 2]) >= THINNEST_SLAB:
            atoms.center(vacuum=VACUUM / 2, axis=2)
            atoms.pbc = True
            return atoms
    return None


def packing(numbers: np.ndarray, volume: float, rng: np.random.Generator) -> Atoms:
    """Random positions in a nearly cubic cell of `volume` A^3, pushed apart to 0.85 of the covalent distances."""
    shape = np.eye(3) + rng.normal(0, 0.08, (3, 3))
    cell = shape * np.cbrt(volume / abs(np.linalg.det(shape)))
    atoms = Atoms(numbers=numbers, cell=cell, pbc=True, scaled_positions=rng.random((len(numbers), 3)))
    radii = RADII[numbers]
    for _ in range(150):
        i, j, vectors, distances = neighbors(atoms, 4.5)
        overlaps = np.maximum(0.85 * (radii[i] + radii[j]) - distances, 0)
        if overlaps.max(initial=0) < 0.02:
            break
        pushes = -vectors / distances[:, None] * (0.3 * overlaps[:, None])
        np.add.at(atoms.positions, i, pushes)
    return atoms


def cluster(crystal: Atoms, rng: np.random.Generator) -> Atoms:
    """Cut the 3 to 14 atoms around one atom of a crystal into free space."""
    size = int(rng.integers(3, 15))
    centers, others, vectors, distances = neighbors(crystal, 8.0)
    center = int(rng.integers(len(crystal)))
    near = np.flatnonzero(centers == center)
    near = near[np.argsort(distances[near], kind="stable")[: size - 1]]
    positions = np.concatenate([np.zeros((1, 3)), vectors[near]])
    return Atoms(numbers=np.append(crystal.numbers[center], crystal.numbers[others[near]]), positions=positions)


def defective(crystal: Atoms, rng: np.random.Generator) -> Atoms:
    """Supercell without one or two atoms, or with two of its elements exchanged at a place."""
    atoms = crystal.copy()
    different = np.argwhere(atoms.numbers[:, None] != atoms.numbers[None, :])
    if len(different) and rng.random() < 0.25:
        first, second = different[rng.integers(len(different))]
        atoms.numbers[[first, second]] = atoms.numbers[[second, first]]
        return atoms
    gone = rng.choice(len(atoms), size=1 + (rng.random() < 0.25), replace=False)
    del atoms[gone]
    return atoms


def small_molecule(rng: np.random.Generator) -> Atoms:
    """Molecule of the G2 set, every third with relatives of its elements."""
    atoms = molecule(str(rng.choice(g2.names)))
    atoms = Atoms(numbers=atoms.numbers, positions=atoms.positions)
    if rng.random() > 0.35:
        return atoms
    heavy = sorted(set(atoms.numbers.tolist()) - {1})
    new = {z: int(rng.choice(RELATIVES[z])) for z in heavy if rng.random() < 0.6}
    return with_elements(atoms, new)


def line(numbers: tuple[int, ...], distance: float) -> Atoms:
    """Atoms on a line at equal distances in A."""
    return Atoms(numbers=numbers, positions=[(0, 0, distance * k) for k in range(len(numbers))])


def triangle(numbers: tuple[int, int, int], rng: np.random.Generator) -> Atoms:
    """Three atoms: two at 0.7 to 2 covalent distances, the third beside one of them at any angle."""
    while True:
        first = bond_length(numbers[0], numbers[1]) * rng.uniform(0.7, 2.0)
        second = bond_length(numbers[1], numbers[2]) * rng.uniform(0.7, 2.0)
        direction = rng.normal(0, 1, 3)
        third = second * direction / np.linalg.norm(direction)
        atoms = Atoms(numbers=numbers, positions=[(first, 0, 0), (0, 0, 0), third])
        if closest_contact(atoms) > 0.65:
            return atoms
