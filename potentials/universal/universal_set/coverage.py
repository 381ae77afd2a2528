"""What a set of labels covers: counts by element, pair of elements, kind, force, pressure and volume."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import chain, combinations, pairwise

import numpy as np
from ase import units

from universal_set.elements import ELEMENTS, RADII
from universal_set.seeds import pairs_of
from universal_set.shards import Labelled

FORCES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)  # eV/A, limits between the bins
PRESSURES = (-20.0, -5.0, -1.0, 1.0, 5.0, 20.0, 50.0, 100.0, 200.0)  # GPa
VOLUMES = (0.6, 0.8, 1.0, 1.25, 1.6, 2.0, 3.0, 5.0)  # over the volume of the covalent spheres
OFTEN = (0, 1, 3, 10, 30)  # limits of "how many structures have a pair"


def pressure(frame: Labelled) -> float:
    """Pressure in GPa."""
    return -float(np.trace(frame.label.stress)) / 3 / units.GPa


def filling(frame: Labelled) -> float:
    """Volume over that of spheres with the covalent radii."""
    return float(frame.atoms.get_volume() / (4 / 3 * np.pi * (RADII[frame.atoms.numbers] ** 3).sum()))


class Coverage:
    """Counts over labelled structures; `add` them shard by shard.

    Attributes
    ----------
    forces
        Force sizes by kind, eV/A, one array for each structure.
    elements, pairs
        Structures that have them: ``condensed`` (periodic) and ``isolated``; pairs of an element with itself are left
        out.
    atoms
        Atoms by element.
    """

    def __init__(self) -> None:
        self.forces: dict[str, list[np.ndarray]] = defaultdict(list)
        self.elements: dict[str, Counter[int]] = {"condensed": Counter(), "isolated": Counter()}
        self.pairs: dict[str, Counter[tuple[int, int]]] = {"condensed": Counter(), "isolated": Counter()}
        self.atoms: Counter[int] = Counter()
        self.squares: Counter[int] = Counter()
        self.pressures: list[float] = []
        self.fillings: list[float] = []
        self.formulas: set[str] = set()

    def add(self, frames: Iterable[Labelled]) -> None:
        """Count labelled structures."""
        for frame in frames:
            numbers = frame.atoms.numbers
            state = "condensed" if frame.atoms.pbc.all() else "isolated"
            self.elements[state].update({int(z) for z in numbers})
            self.pairs[state].update(pairs_of(numbers))
            sizes = np.linalg.norm(frame.label.forces, axis=1)
            self.forces[frame.kind].append(sizes)
            for z, size in zip(numbers.tolist(), sizes.tolist(), strict=True):
                self.atoms[z] += 1
                self.squares[z] += size**2
            if state == "condensed":
                self.pressures.append(pressure(frame))
                if frame.kind != "slab":
                    self.fillings.append(filling(frame))

    def pairs_seen(self, state: str) -> list[int]:
        """How many structures have each pair of different elements, all 3916 pairs."""
        return [self.pairs[state][pair] for pair in combinations(ELEMENTS, 2)]

    def all_forces(self) -> list[np.ndarray]:
        """Force sizes of each structure, eV/A."""
        return list(chain.from_iterable(self.forces.values()))


def histogram(values: Iterable[float], limits: tuple[float, ...]) -> list[tuple[str, int]]:
    """Count values between limits, with what is below the first and above the last."""
    bins = np.bincount(np.searchsorted(limits, np.fromiter(values, float), side="right"), minlength=len(limits) + 1)
    inner = [f"{low:g} to {high:g}" for low, high in pairwise(limits)]
    return list(zip([f"below {limits[0]:g}", *inner, f"{limits[-1]:g} and more"], bins.tolist(), strict=True))
