"""Structures made of the systems of a loop: those labelled first, and initial states of exploration trajectories."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from ase import Atoms

from mlpot.active_learning.config import System
from mlpot.active_learning.initial.generate import (
    Generated,
    from_file,
    random_packings,
    rattled,
    slabs,
    strained,
    substituted,
    with_interstitials,
    with_vacancies,
)
from mlpot.active_learning.selection.sanity import unphysical
from mlpot.properties.crystal import conventional_cell, structure_from

SMALL_RATTLE = 0.02
"""Standard deviation (A) of displacements that break the symmetry of a structure."""


@dataclass(frozen=True, eq=False)
class InitialState:
    """Initial state of an exploration trajectory.

    Attributes
    ----------
    atoms : ase.Atoms
    kind : str
        ``bulk``, ``molecule``, ``vacancy``, ``random_packing``, ``slab``, ...
    """

    atoms: Atoms
    kind: str


def base_cell(system: System) -> Atoms:
    """Supercell of a system; of a prototype, that of its conventional or primitive cell."""
    atoms = structure_from(system.structure)
    if not (system.primitive or Path(system.structure).is_file()):
        atoms = conventional_cell(atoms)
    atoms.calc = None
    return atoms * system.repeat


def initial_structures(system: System, seed: int) -> Iterator[Generated]:
    """Make the structures of a system that are labelled first, with their origins; the same for the same seed."""
    base = base_cell(system)
    yield from rattled(base, system.rattle, system.rattles, seed)
    smallest = min(system.rattle, default=SMALL_RATTLE)
    if base.pbc.all() and system.strain > 0.0:
        for index, (atoms, origin) in enumerate(strained(base, system.strain, system.strains, seed)):
            yield from ((moved, origin) for moved, _ in rattled(atoms, [smallest], 1, seed + index))
    for index, (atoms, origin) in enumerate(variants(system, base, seed)):
        # Displaced from symmetric sites, where most forces are zero.
        yield from ((moved, origin) for moved, _ in rattled(atoms, [smallest], 1, seed + 1000 + index))


def variants(system: System, base: Atoms, seed: int) -> Iterator[Generated]:
    """Make defects, random packings, surfaces and substitutions of a system, and read its files."""
    parts: list[Iterator[Generated]] = []
    if system.vacancies:
        parts.append(with_vacancies(base))
    if system.interstitials:
        parts.append(with_interstitials(base, sorted(set(base.symbols)), system.interstitials))
    parts += [substituted(base, one.old, one.new, one.fractions, seed) for one in system.substitutions]
    if system.random_packings:
        parts.append(random_packings(base, system.random_packings, seed))
    if system.slabs:
        cell = structure_from(system.structure)
        parts.append(slabs(cell, max_index=system.slabs, thickness=system.slab_thickness, vacuum=system.slab_vacuum))
    parts += [from_file(path) for path in system.structures]
    return chain.from_iterable(parts)


def initial_states(systems: list[System], supercell: tuple[int, int, int], seed: int) -> list[InitialState]:
    """List the initial states of trajectories.

    Parameters
    ----------
    systems : list of System
    supercell : (int, int, int)
        Repetition of structures that are periodic in three directions; slabs are repeated along the surface only.
    seed : int
    """
    states = []
    for system in systems:
        base = base_cell(system)
        whole = {"kind": "bulk" if base.pbc.all() else "molecule"}
        for atoms, origin in [(base, whole), *variants(system, base, seed)]:
            kind = str(origin["kind"])
            times = (supercell[0], supercell[1], 1) if kind == "slab" else supercell
            if len(atoms) > 1 and unphysical(atoms) is None:
                states.append(InitialState(atoms * times if atoms.pbc.all() else atoms, kind))
    return states


def draw_held_out(elements: Mapping[str, Collection[str]], fraction: float) -> set[str]:
    """Draw the initial structures that are held out of training.

    Parameters
    ----------
    elements : mapping
        Hash of a structure -> its elements, each once.
    fraction : float
        Of the structures; fewer are drawn where training would lose an element.

    Returns
    -------
    set of str
        The smallest hashes: as good as random, and always the same.
    """
    count, drawn = max(1, round(fraction * len(elements))), set[str]()
    left = Counter(symbol for one in elements.values() for symbol in one)
    for name in sorted(elements):
        if len(drawn) < count and all(left[symbol] > 1 for symbol in elements[name]):
            drawn.add(name)
            left.subtract(elements[name])
    return drawn
