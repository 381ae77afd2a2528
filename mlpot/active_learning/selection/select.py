"""Which structures are worth a calculation: uncertain, unlike each other and what is known, and physical.

Candidates are taken greedily. Each atom has features, divided by element, and a weight, its uncertainty: a structure's
gain is the largest product of weight and distance to the nearest atom of the same element that is labelled or chosen
already (farthest point with weights). So the batch covers what is uncertain, not many times what is most uncertain.

References
----------
Farthest point sampling: Gonzalez, Theor. Comput. Sci. 38, 293 (1985), a 2-approximation of the best covering.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from mlpot.active_learning.exploration.sanity import unphysical
from mlpot.data.structure import FloatArray
from mlpot.errors import DataError
from mlpot.neighbors.overlap import CLOSEST_FOR_DFT

IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Candidate:
    """A structure that may be labelled.

    Attributes
    ----------
    atoms : ase.Atoms
    features : (n_atoms, n_features)
        Of the model; distances between them say how different environments are. No columns: a frame that is refused
        whatever they are.
    uncertainty : (n_atoms,), eV/A
        Of the forces.
    trajectory : str
        Structures of one trajectory resemble each other, and their number is limited.
    """

    atoms: Atoms
    features: FloatArray
    uncertainty: FloatArray
    trajectory: str = ""

    def __post_init__(self) -> None:
        n_atoms = len(self.atoms)
        if self.features.ndim != 2 or len(self.features) != n_atoms:
            raise DataError(f"`features` must have shape ({n_atoms}, n_features), got {self.features.shape}")
        if self.uncertainty.shape != (n_atoms,):
            raise DataError(f"`uncertainty` must have shape ({n_atoms},), got {self.uncertainty.shape}")


@dataclass(frozen=True)
class Verdict:
    """Why a candidate was chosen or refused.

    Attributes
    ----------
    index : int
        Of the candidate.
    reason : str
    kind : str
        ``chosen``; ``unphysical``: worth a warning; ``duplicate``, ``trajectory``, ``certain``, ``surplus``.
    atom : int
        That decided.
    uncertainty : float, eV/A
        The largest of its atoms.
    distance : float
        Of the deciding atom's features to the nearest known ones; infinite for an element that is new.
    """

    index: int
    reason: str
    kind: str
    atom: int
    uncertainty: float
    distance: float


@dataclass(frozen=True)
class Selection:
    """A batch.

    Attributes
    ----------
    chosen : tuple of int
        Candidates, the most valuable first.
    verdicts : tuple of Verdict
        One for each candidate.
    """

    chosen: tuple[int, ...]
    verdicts: tuple[Verdict, ...]


def select_batch(
    candidates: Sequence[Candidate],
    pool: Mapping[int, FloatArray],
    size: int,
    *,
    least_uncertainty: float = 0.0,
    least_distance: float = 1e-3,
    per_trajectory: int | None = None,
    closest: float = CLOSEST_FOR_DFT,
) -> Selection:
    """Choose structures to be labelled.

    Parameters
    ----------
    candidates : sequence of Candidate
    pool : mapping of int to (n, n_features)
        Features of what is labelled already, by atomic number.
    size : int
        At most so many.
    least_uncertainty : float, eV/A
        Structures whose atoms are all more certain are left out.
    least_distance : float
        Structures all of whose atoms are nearer to known ones, in feature space, are duplicates.
    per_trajectory : int, optional
        At most so many of one trajectory.
    closest : float
        Pairs nearer than this part of the sum of covalent radii are unphysical.

    Returns
    -------
    Selection
    """
    greedy = _Greedy(candidates, pool)
    verdicts: dict[int, Verdict] = {}
    for index, candidate in enumerate(candidates):
        problem = unphysical(candidate.atoms, closest=closest)
        if problem is not None:
            verdicts[index] = greedy.verdict(index, "unphysical", problem)
        elif candidate.uncertainty.max() < least_uncertainty:
            reason = f"all atoms are more certain than {least_uncertainty:g} eV/A"
            verdicts[index] = greedy.verdict(index, "certain", reason)
    chosen: list[int] = []
    taken: dict[str, int] = {}
    while left := [index for index in range(len(candidates)) if index not in verdicts]:
        best = max(left, key=greedy.gain)
        verdict = _judge(greedy, best, chosen, taken, size, least_distance, per_trajectory)
        verdicts[best] = verdict
        if verdict.kind == "chosen":
            chosen.append(best)
            taken[candidates[best].trajectory] = taken.get(candidates[best].trajectory, 0) + 1
            greedy.learn(best)
    return Selection(tuple(chosen), tuple(verdicts[index] for index in range(len(candidates))))


def _judge(
    greedy: "_Greedy",
    index: int,
    chosen: Sequence[int],
    taken: Mapping[str, int],
    size: int,
    least_distance: float,
    per_trajectory: int | None,
) -> Verdict:
    trajectory = greedy.candidates[index].trajectory
    if greedy.distances[index].max() < least_distance:
        return greedy.verdict(index, "duplicate", f"all atoms are within {least_distance:g} of known ones")
    if len(chosen) >= size:
        return greedy.verdict(index, "surplus", f"{size} others are worth more")
    if per_trajectory is not None and trajectory and taken.get(trajectory, 0) >= per_trajectory:
        return greedy.verdict(index, "trajectory", f"{per_trajectory} of {trajectory} are chosen already")
    return greedy.verdict(index, "chosen", f"uncertain and different: number {len(chosen) + 1} of the batch")


class _Greedy:
    """Distance of every atom of every candidate to the nearest known atom of its element."""

    def __init__(self, candidates: Sequence[Candidate], pool: Mapping[int, FloatArray]) -> None:
        self.candidates = candidates
        self.distances = [np.full(len(one.atoms), np.inf) for one in candidates]
        for number, known in pool.items():
            self._approach(number, np.asarray(known))

    def gain(self, index: int) -> float:
        """Largest product of uncertainty and distance; an element that is new is worth most."""
        weights = self.candidates[index].uncertainty
        with np.errstate(invalid="ignore"):  # certain about what is infinitely far: nothing to gain
            products = np.nan_to_num(weights * self.distances[index], nan=0.0, posinf=np.finfo(float).max)
        return float(products.max())

    def learn(self, index: int) -> None:
        """Count a candidate as known."""
        atoms, features = self.candidates[index].atoms, self.candidates[index].features
        for number in np.unique(atoms.numbers):
            self._approach(int(number), features[atoms.numbers == number])

    def verdict(self, index: int, kind: str, reason: str) -> Verdict:
        """Verdict with the numbers at this moment."""
        weights = self.candidates[index].uncertainty
        with np.errstate(invalid="ignore"):
            atom = int(np.argmax(np.nan_to_num(weights * self.distances[index], nan=0.0, posinf=np.inf)))
        return Verdict(index, reason, kind, atom, float(weights.max()), float(self.distances[index][atom]))

    def _approach(self, number: int, known: FloatArray) -> None:
        if len(known) == 0:
            return
        for candidate, distances in zip(self.candidates, self.distances, strict=True):
            mine = candidate.atoms.numbers == number
            if mine.any() and candidate.features.shape[1] > 0:
                distances[mine] = np.minimum(distances[mine], cdist(candidate.features[mine], known).min(axis=1))
