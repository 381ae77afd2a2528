"""Structures of the systems of a loop: those that are labelled before there is any potential, and starts of walks."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from ase import Atoms

from mlpot.active_learning.config import System
from mlpot.active_learning.exploration.generate import (
    Generated,
    from_file,
    melted,
    rattled,
    slabs,
    strained,
    substituted,
    with_interstitials,
    with_vacancies,
)
from mlpot.active_learning.exploration.sanity import unphysical
from mlpot.properties.crystal import conventional_cell, structure_from

SMALL_RATTLE = 0.02
"""Displacements (A) that break the symmetry of a structure that is to be labelled, or set in motion."""


@dataclass(frozen=True, eq=False)
class Start:
    """Where walks begin.

    Attributes
    ----------
    atoms : ase.Atoms
    kind : str
        ``bulk``, ``molecule``, ``vacancy``, ``melt``, ``slab``, ...
    """

    atoms: Atoms
    kind: str


def base_cell(system: System) -> Atoms:
    """Supercell of a system: of a prototype the conventional cell, or the primitive one."""
    atoms = structure_from(system.structure)
    if not (system.primitive or Path(system.structure).is_file()):
        atoms = conventional_cell(atoms)
    atoms.calc = None
    return atoms * system.repeat


def first_structures(system: System, seed: int) -> Iterator[Generated]:
    """Make the structures that are labelled first.

    Parameters
    ----------
    system : System
    seed : int
        The same seed makes the same structures.

    Yields
    ------
    atoms, origin
    """
    base = base_cell(system)
    yield from rattled(base, system.rattle, system.rattles, seed)
    least = min(system.rattle, default=SMALL_RATTLE)
    if base.pbc.all() and system.strain > 0.0:
        for index, (atoms, origin) in enumerate(strained(base, system.strain, system.strains, seed)):
            yield from ((moved, origin) for moved, _ in rattled(atoms, [least], 1, seed + index))
    for index, (atoms, origin) in enumerate(variants(system, base, seed)):
        # Off the symmetric sites, or most forces would be zero.
        yield from ((moved, origin) for moved, _ in rattled(atoms, [least], 1, seed + 1000 + index))


def variants(system: System, base: Atoms, seed: int) -> Iterator[Generated]:
    """Make defects, melts, surfaces and substitutions of a system, and read its files.

    Parameters
    ----------
    system : System
    base : ase.Atoms
    seed : int

    Yields
    ------
    atoms, origin
    """
    parts: list[Iterator[Generated]] = []
    if system.vacancies:
        parts.append(with_vacancies(base))
    if system.interstitials:
        parts.append(with_interstitials(base, sorted(set(base.symbols)), system.interstitials))
    parts += [substituted(base, one.old, one.new, one.fractions, seed) for one in system.substitutions]
    if system.melts:
        parts.append(melted(base, system.melts, seed))
    if system.slabs:
        cell = structure_from(system.structure)
        parts.append(slabs(cell, max_index=system.slabs, thickness=system.slab_thickness, vacuum=system.slab_vacuum))
    parts += [from_file(path) for path in system.structures]
    return chain.from_iterable(parts)


def starts_of_walks(systems: list[System], supercell: tuple[int, int, int], seed: int) -> list[Start]:
    """List the structures that walks begin from, in turn.

    Parameters
    ----------
    systems : list of System
    supercell : (int, int, int)
        Repetition of everything that is periodic in three directions; slabs are repeated along the surface only.
    seed : int

    Returns
    -------
    list of Start
    """
    starts = []
    for system in systems:
        base = base_cell(system)
        whole = {"kind": "bulk" if base.pbc.all() else "molecule"}
        for atoms, origin in [(base, whole), *variants(system, base, seed)]:
            kind = str(origin["kind"])
            times = (supercell[0], supercell[1], 1) if kind == "slab" else supercell
            if len(atoms) > 1 and unphysical(atoms) is None:
                starts.append(Start(atoms * times if atoms.pbc.all() else atoms, kind))
    return starts


def draw_held_out(elements: Mapping[str, Collection[str]], share: float) -> set[str]:
    """Draw the first structures that are never trained on.

    Parameters
    ----------
    elements : mapping
        Hash of a structure -> its elements, each once.
    share : float
        Part of the structures; less where each of the others alone has some element, which must be trained on.

    Returns
    -------
    set of str
        Hashes. They are drawn in their order: fair, and the same for ever.
    """
    wanted, drawn = max(1, round(share * len(elements))), set[str]()
    left = Counter(symbol for one in elements.values() for symbol in one)
    for name in sorted(elements):
        if len(drawn) < wanted and all(left[symbol] > 1 for symbol in elements[name]):
            drawn.add(name)
            left.subtract(elements[name])
    return drawn
