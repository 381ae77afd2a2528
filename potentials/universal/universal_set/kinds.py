"""Kinds of structures: each maker gives the source of one job and the recipe that it follows.

Jobs of elements, atoms, dimers and binaries walk through lists in a fixed order, so that all come at last. What a maker
draws must stay as it is, or shards of earlier versions could not be made again: change a kind by adding another.
"""

from collections.abc import Callable
from itertools import combinations_with_replacement
from typing import NamedTuple

import numpy as np
from ase import Atoms

from universal_set import builders
from universal_set.elements import ELEMENTS, NOBLE_GASES, bond_length, crystal_distance
from universal_set.geometry import closest_contact, rattled, repeated, scaled, strained, thermal
from universal_set.recipes import Recipe, dynamics, relaxation, relaxed_then_warm, single
from universal_set.seeds import ORDER_SEED, Seeds

DIMER_RANGES = ((0.5, 0.75), (0.75, 1.0), (1.0, 1.4), (1.4, 2.4))  # in covalent distances
LONGEST_DIMER = 5.8  # A
PAIRS_IN_TURN = [
    tuple(pair)
    for pair in np.random.default_rng(ORDER_SEED).permutation(list(combinations_with_replacement(ELEMENTS, 2))).tolist()
]


class Draw(NamedTuple):
    """What a job draws from: its own random numbers, and its place among all jobs of its kind."""

    seeds: Seeds
    rng: np.random.Generator
    rank: int


def source_of(atoms: Atoms) -> str:
    """Name a seed crystal by its data set and its name there."""
    return f"{atoms.info['source'].split('/')[-1]}:{atoms.info['id']}"


def near(draw: Draw) -> tuple[str, Recipe]:
    """Crystal strained by a percent and displaced by 0.01 to 0.06 A, or by as little as up to 300 K do."""
    crystal = draw.seeds.crystal(draw.rng)
    atoms = strained(repeated(crystal, 10), draw.rng, draw.rng.uniform(0, 0.012))
    if draw.rng.random() < 0.5:
        atoms = rattled(atoms, draw.rng, draw.rng.uniform(0.01, 0.06))
    else:
        atoms = thermal(atoms, draw.rng, draw.rng.uniform(20, 300))
    return source_of(crystal), single(atoms)


def warm(draw: Draw) -> tuple[str, Recipe]:
    """Supercell with the thermal displacements of 100 to 1200 K, strained by up to 2 %."""
    crystal = draw.seeds.crystal(draw.rng)
    atoms = strained(repeated(crystal, 14), draw.rng, draw.rng.uniform(0, 0.02))
    return source_of(crystal), single(thermal(atoms, draw.rng, 100 * 12 ** draw.rng.random()))


def relaxed(draw: Draw) -> tuple[str, Recipe]:
    """Relaxation of a strained and rattled crystal, then two temperatures of 100 to 900 K around its end."""
    crystal = draw.seeds.crystal(draw.rng, calm=False)
    atoms = scaled(strained(repeated(crystal, 10), draw.rng, 0.02), draw.rng.uniform(0.88, 1.15))
    atoms = rattled(atoms, draw.rng, draw.rng.uniform(0.02, 0.12))
    return source_of(crystal), relaxed_then_warm(atoms, draw.rng, 4, tuple(draw.rng.uniform(100, 900, 2)))


def moving(draw: Draw) -> tuple[str, Recipe]:
    """Dynamics of a crystal at 300 to 2000 K between 15 % denser and 10 % thinner."""
    crystal = draw.seeds.crystal(draw.rng)
    atoms = scaled(repeated(crystal, 12), draw.rng.uniform(0.85, 1.1))
    return source_of(crystal), dynamics(atoms, draw.rng, 300 * 6.7 ** draw.rng.random(), 4)


def hot(draw: Draw) -> tuple[str, Recipe]:
    """Crystal at 1000 to 4000 K and at 0.8 to 1.25 of its volume, every fourth displaced by 0.1 to 0.25 A instead."""
    crystal = draw.seeds.crystal(draw.rng, calm=False)
    atoms = scaled(strained(repeated(crystal, 12), draw.rng, 0.03), draw.rng.uniform(0.8, 1.25))
    if draw.rng.random() < 0.25:
        return source_of(crystal), single(rattled(atoms, draw.rng, draw.rng.uniform(0.1, 0.25)))
    return source_of(crystal), single(thermal(atoms, draw.rng, 1000 * 4 ** draw.rng.random()))


def volume(draw: Draw) -> tuple[str, Recipe]:
    """Crystal at 0.6 to 1.6 of its volume, cold or warm."""
    crystal = draw.seeds.crystal(draw.rng, 24)
    atoms = scaled(strained(repeated(crystal, 6), draw.rng, 0.01), 0.6 * (8 / 3) ** draw.rng.random())
    return source_of(crystal), single(thermal(atoms, draw.rng, draw.rng.choice([1.0, 100.0, 400.0])))


def swapped(draw: Draw) -> tuple[str, Recipe]:
    """Prototype with other elements, its relaxation, and 300 and 1000 K around the end."""
    crystal = draw.seeds.crystal(draw.rng, 24)
    atoms = builders.substituted(crystal, draw.seeds, draw.rng)
    atoms = rattled(strained(repeated(atoms, 8), draw.rng, 0.01), draw.rng, 0.03)
    atoms = scaled(atoms, draw.rng.uniform(0.9, 1.2))
    return source_of(crystal), relaxed_then_warm(atoms, draw.rng, 5, (300.0, 1000.0))


def alloy(draw: Draw) -> tuple[str, Recipe]:
    """Random alloy, a few steps of its relaxation, and 300 K around the end."""
    atoms = rattled(builders.alloy(draw.seeds, draw.rng), draw.rng, 0.05)
    return "alloy", relaxed_then_warm(atoms, draw.rng, 3, (draw.rng.uniform(100, 1500),))


def element(draw: Draw) -> tuple[str, Recipe]:
    """Lattice of one element: a relaxation, or four volumes; elements and lattices in turn."""
    order = np.random.default_rng(ORDER_SEED).permutation(ELEMENTS)
    number, turn = int(order[draw.rank % len(ELEMENTS)]), draw.rank // len(ELEMENTS)
    name = builders.LATTICES[(turn + draw.rank) % len(builders.LATTICES)]
    atoms = repeated(builders.lattice(name, number, crystal_distance(number, draw.rng)), 4)
    if draw.rng.random() < 0.5:
        start = thermal(strained(atoms, draw.rng, 0.02), draw.rng, 300)
        return f"element:{name}", relaxed_then_warm(start, draw.rng, 4, (300.0,))
    ratios = 0.6 * (8 / 3) ** ((np.arange(4) + draw.rng.random(4)) / 4)
    return f"element:{name}", single(*(thermal(scaled(atoms, x), draw.rng, 50.0) for x in ratios))


def defect(draw: Draw) -> tuple[str, Recipe]:
    """Vacancies or exchanged atoms in a warm supercell, and a step of relaxation."""
    crystal = draw.seeds.crystal(draw.rng, 20)
    atoms = builders.defective(repeated(crystal, 16), draw.rng)
    return source_of(crystal), relaxation(thermal(atoms, draw.rng, draw.rng.uniform(50, 600)), 2)


def surface(draw: Draw) -> tuple[str, Recipe]:
    """Slab, warm, and a step of relaxation."""
    while True:
        crystal = draw.seeds.crystal(draw.rng, 16)
        atoms = builders.slab(crystal, draw.rng)
        if atoms is not None:
            return source_of(crystal), relaxation(thermal(atoms, draw.rng, draw.rng.uniform(50, 600)), 2)


def packing(draw: Draw) -> tuple[str, Recipe]:
    """Random packing of the atoms of a seed, quenched for four steps: liquids and glasses."""
    crystal = draw.seeds.crystal(draw.rng, 12)
    per_atom = crystal.get_volume() / len(crystal)
    numbers = np.resize(crystal.numbers, int(draw.rng.integers(16, 29)))
    atoms = builders.packing(numbers, per_atom * len(numbers) * draw.rng.uniform(0.95, 1.5), draw.rng)
    return source_of(crystal), relaxation(atoms, 4)


def cluster(draw: Draw) -> tuple[str, Recipe]:
    """Cluster cut from a crystal and two steps of its relaxation."""
    crystal = draw.seeds.crystal(draw.rng)
    atoms = rattled(builders.cluster(crystal, draw.rng), draw.rng, draw.rng.uniform(0.02, 0.2))
    return source_of(crystal), relaxation(atoms, 2)


def small_molecule(draw: Draw) -> tuple[str, Recipe]:
    """Molecule at 100 to 1200 K and two steps of its relaxation."""
    atoms = thermal(builders.small_molecule(draw.rng), draw.rng, 100 * 12 ** draw.rng.random())
    return "molecule", relaxation(atoms, 2)


def atom(draw: Draw) -> tuple[str, Recipe]:
    """One atom alone: the reference energy. Elements in turn."""
    return "atom", single(builders.line((ELEMENTS[draw.rank % len(ELEMENTS)],), 0.0))


def trimer(draw: Draw) -> tuple[str, Recipe]:
    """Three atoms of up to three elements."""
    first, second = draw.seeds.pair(draw.rng)
    third = int(draw.rng.choice([first, second, draw.seeds.element(draw.rng)]))
    numbers = tuple(int(z) for z in draw.rng.permutation([first, second, third]))
    return "trimer", single(*(builders.triangle(numbers, draw.rng) for _ in range(2)))


def dimer(draw: Draw) -> tuple[str, Recipe]:
    """Two atoms at four distances; a linear molecule of three, if the formula of two is held out."""
    first, second = PAIRS_IN_TURN[draw.rank % len(PAIRS_IN_TURN)]
    ratios = [draw.rng.uniform(*limits) for limits in DIMER_RANGES]
    distances = [min(LONGEST_DIMER, ratio * bond_length(first, second)) for ratio in ratios]
    chains = ((first, second), (first, second, first), (second, first, second))
    numbers = next(chain for chain in chains if draw.seeds.allows(builders.line(chain, 1.0)))
    return "dimer", single(*(builders.line(numbers, distance) for distance in distances))


def pressed(draw: Draw) -> tuple[str, Recipe]:
    """Dynamics of a squeezed crystal at 300 to 3000 K."""
    crystal = draw.seeds.crystal(draw.rng, 20)
    atoms = scaled(repeated(crystal, 10), draw.rng.uniform(0.68, 0.9))
    return source_of(crystal), dynamics(atoms, draw.rng, 300 * 10 ** draw.rng.random(), 4)


def binary(draw: Draw) -> tuple[str, Recipe]:
    """Binary prototype with a pair in turn, the rarest first; its relaxation, and 300 and 1000 K around the end."""
    pair = draw.seeds.rarest_pairs[draw.rank % len(draw.seeds.rarest_pairs)]
    while True:
        crystal = draw.seeds.crystal(draw.rng, 12)
        if len(set(crystal.numbers)) == 2 and not set(crystal.numbers) & set(NOBLE_GASES):  # too open as prototypes
            atoms = builders.binary(crystal, pair)
            if draw.seeds.allows(atoms):
                break
    atoms = rattled(strained(repeated(atoms, 6), draw.rng, 0.01), draw.rng, 0.03)
    atoms = scaled(atoms, draw.rng.uniform(0.85, 1.1))
    return source_of(crystal), relaxed_then_warm(atoms, draw.rng, 4, (300.0, 1000.0))


def compound(draw: Draw) -> tuple[str, Recipe]:
    """Like `binary`, but with atoms that touch: prototypes of open crystals made a gas of others there."""
    pair = draw.seeds.rarest_pairs[draw.rank % len(draw.seeds.rarest_pairs)]
    while True:
        crystal = draw.seeds.crystal(draw.rng, 12)
        if len(set(crystal.numbers)) == 2:
            atoms = builders.binary(crystal, pair)
            contact = closest_contact(atoms)
            if draw.seeds.allows(atoms) and contact < np.inf:
                break
    atoms = scaled(atoms, (draw.rng.uniform(0.8, 1.0) / contact) ** 3)
    atoms = rattled(strained(repeated(atoms, 6), draw.rng, 0.01), draw.rng, 0.03)
    return source_of(crystal), relaxed_then_warm(atoms, draw.rng, 4, (300.0, 1000.0))


def interface(draw: Draw) -> tuple[str, Recipe]:
    """Coherent interface, warm, and two steps of relaxation."""
    crystal = draw.seeds.crystal(draw.rng, 16)
    atoms = thermal(builders.interface(crystal, draw.seeds, draw.rng), draw.rng, draw.rng.uniform(50, 600))
    return source_of(crystal), relaxation(atoms, 2, move_cell=True)


def molecular(draw: Draw) -> tuple[str, Recipe]:
    """Box of molecules, a few steps of its relaxation, and 300 K around the end."""
    while True:
        atoms = builders.molecular(draw.rng)
        if draw.seeds.allows(atoms):
            return "molecular", relaxed_then_warm(atoms, draw.rng, 3, (draw.rng.uniform(100, 500),))


MAKERS: dict[str, Callable[[Draw], tuple[str, Recipe]]] = {
    "near": near,
    "thermal": warm,
    "relaxed": relaxed,
    "dynamics": moving,
    "hot": hot,
    "volume": volume,
    "swapped": swapped,
    "alloy": alloy,
    "element": element,
    "defect": defect,
    "slab": surface,
    "packing": packing,
    "cluster": cluster,
    "molecule": small_molecule,
    "atom": atom,
    "trimer": trimer,
    "dimer": dimer,
    "pressed": pressed,
    "binary": binary,
    "compound": compound,
    "interface": interface,
    "molecular": molecular,
}
