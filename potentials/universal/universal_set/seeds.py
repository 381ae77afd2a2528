"""Seed crystals without the held-out formulas, and how rare their elements and pairs of elements are."""

import io
import lzma
from collections import Counter
from itertools import combinations
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms

from universal_set.elements import ELEMENTS, NOBLE_GASES
from universal_set.geometry import reduced_formula

LARGEST = 40  # atoms
ORDER_SEED = 1  # of lists that are walked through in a random order


def read_frames(path: Path) -> list[Atoms]:
    """All frames of an .extxyz.xz file. Read at once: going back and forth in LZMA takes quadratic time."""
    return ase.io.read(io.StringIO(lzma.open(path, "rt").read()), ":", format="extxyz")


def pairs_of(numbers: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of different elements in a structure, the smaller atomic number first."""
    return list(combinations(sorted({int(z) for z in numbers}), 2))


class Seeds:
    """Crystals to begin with, chosen in proportion to the rarity of their elements and pairs.

    Parameters
    ----------
    crystals
        Structures with ``source``, ``id`` and ``kind`` in ``info``; those of held-out formulas, unknown elements or
        more than LARGEST atoms are left out.
    held_out
        Reduced formulas that must appear neither here nor among the labels.
    """

    def __init__(self, crystals: list[Atoms], held_out: frozenset[str]) -> None:
        self.held_out = held_out
        self.crystals = [a for a in crystals if len(a) <= LARGEST and set(a.numbers) <= set(ELEMENTS)]
        self.crystals = [a for a in self.crystals if self.allows(a)]
        self.elements = Counter(int(z) for a in self.crystals for z in set(a.numbers))
        self.pairs = Counter(pair for a in self.crystals for pair in pairs_of(a.numbers))
        self._crystal_odds = _normalized([self._rarity(a) for a in self.crystals])
        self._element_odds = _normalized([(1 + self.elements[z]) ** -0.5 for z in ELEMENTS])
        self._all_pairs = list(combinations(ELEMENTS, 2))
        self.rarest_pairs = self._by_rarity()
        self._pair_odds = _normalized([self._pair_weight(pair) for pair in self._all_pairs])

    def _rarity(self, atoms: Atoms) -> float:
        """Mean over its elements and pairs of one over the square root of how many crystals have them."""
        counts = [self.elements[int(z)] for z in set(atoms.numbers)] + [self.pairs[p] for p in pairs_of(atoms.numbers)]
        return float(np.mean(np.power(counts, -0.5)))

    def _pair_weight(self, pair: tuple[int, int]) -> float:
        """Rarity of a pair; noble gases form few compounds and count a fifth."""
        noble = sum(z in NOBLE_GASES for z in pair)
        return (1 + self.pairs[pair]) ** -0.5 * 0.2**noble

    def _by_rarity(self) -> list[tuple[int, int]]:
        """All pairs of different elements, the rarest first, but those with noble gases at the end."""
        mixed = np.random.default_rng(ORDER_SEED).permutation(self._all_pairs).tolist()
        pairs = [(int(first), int(second)) for first, second in mixed]
        return sorted(pairs, key=lambda pair: (sum(z in NOBLE_GASES for z in pair), self.pairs[pair]))

    def allows(self, atoms: Atoms) -> bool:
        """Whether the formula of `atoms` is not held out."""
        return reduced_formula(atoms) not in self.held_out

    def crystal(self, rng: np.random.Generator, largest: int = LARGEST, calm: bool = True) -> Atoms:
        """Crystal of at most `largest` atoms, in proportion to its rarity; if `calm`, neither hot nor squeezed."""
        while True:
            atoms = self.crystals[rng.choice(len(self.crystals), p=self._crystal_odds)]
            if len(atoms) <= largest and (not calm or atoms.info["kind"] == "xtal"):
                return atoms.copy()

    def element(self, rng: np.random.Generator) -> int:
        """Atomic number, in proportion to its rarity."""
        return int(rng.choice(ELEMENTS, p=self._element_odds))

    def pair(self, rng: np.random.Generator) -> tuple[int, int]:
        """Two atomic numbers, in proportion to the rarity of the pair."""
        return self._all_pairs[rng.choice(len(self._all_pairs), p=self._pair_odds)]


def _normalized(weights: list[float]) -> np.ndarray:
    """Weights over their sum."""
    return np.array(weights) / np.sum(weights)
