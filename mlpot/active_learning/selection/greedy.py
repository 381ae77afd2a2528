"""Greedy batch selection: structures that are uncertain, unlike each other and labelled ones, and physical.

Each atom has features and a weight, its uncertainty. The gain of a structure is the largest product of the weight and
the distance to the nearest atom of the same element that is labelled or chosen already (weighted farthest point
sampling). So the batch covers all uncertain environments, instead of many similar ones.

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

from mlpot.active_learning.selection.sanity import unphysical
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
        Of the model, whose distances measure how different environments are. No columns for an unphysical frame.
    uncertainty : (n_atoms,), eV/A
        Of the forces.
    trajectory : str
        Structures of one trajectory are similar, and their number is limited.
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
class Decision:
    """Why a candidate was chosen or refused.

    Attributes
    ----------
    index : int
        Of the candidate.
    reason : str
    kind : str
        ``chosen``; ``unphysical``: kept as a warning; ``duplicate``, ``trajectory``, ``certain``, ``surplus``.
    atom : int
        With the largest gain.
    uncertainty : float, eV/A
        The largest of its atoms.
    distance : float
        From the features of that atom to the nearest known ones; infinite for a new element.
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
        Candidates, the largest gain first.
    decisions : tuple of Decision
        One for each candidate.
    """

    chosen: tuple[int, ...]
    decisions: tuple[Decision, ...]


def select_batch(
    candidates: Sequence[Candidate],
    pool: Mapping[int, FloatArray],
    size: int,
    *,
    min_uncertainty: float = 0.0,
    min_distance: float = 1e-3,
    per_trajectory: int | None = None,
    closest: float = CLOSEST_FOR_DFT,
) -> Selection:
    """Choose structures to label.

    Parameters
    ----------
    candidates : sequence of Candidate
    pool : mapping of int to (n, n_features)
        Features of labelled atoms, by atomic number.
    size : int
        Largest number of chosen structures.
    min_uncertainty : float, eV/A
        Structures whose atoms all have a smaller uncertainty are left out.
    min_distance : float
        Structures whose atoms are all nearer to known ones, in feature space, are duplicates.
    per_trajectory : int, optional
        Largest number of chosen structures of one trajectory.
    closest : float
        See `unphysical`.
    """
    greedy = _Greedy(candidates, pool)
    decisions: dict[int, Decision] = {}
    for index, candidate in enumerate(candidates):
        problem = unphysical(candidate.atoms, closest=closest)
        if problem is not None:
            decisions[index] = greedy.decision(index, "unphysical", problem)
        elif candidate.uncertainty.max() < min_uncertainty:
            reason = f"all uncertainties are below {min_uncertainty:g} eV/A"
            decisions[index] = greedy.decision(index, "certain", reason)
    chosen: list[int] = []
    taken: dict[str, int] = {}
    while left := [index for index in range(len(candidates)) if index not in decisions]:
        best = max(left, key=greedy.gain)
        decision = _decision(greedy, best, chosen, taken, size, min_distance, per_trajectory)
        decisions[best] = decision
        if decision.kind == "chosen":
            chosen.append(best)
            taken[candidates[best].trajectory] = taken.get(candidates[best].trajectory, 0) + 1
            greedy.add(best)
    return Selection(tuple(chosen), tuple(decisions[index] for index in range(len(candidates))))


def _decision(
    greedy: "_Greedy",
    index: int,
    chosen: Sequence[int],
    taken: Mapping[str, int],
    size: int,
    min_distance: float,
    per_trajectory: int | None,
) -> Decision:
    trajectory = greedy.candidates[index].trajectory
    if greedy.distances[index].max() < min_distance:
        return greedy.decision(index, "duplicate", f"all atoms are within {min_distance:g} of labelled ones")
    if len(chosen) >= size:
        return greedy.decision(index, "surplus", f"{size} others have a larger gain")
    if per_trajectory is not None and trajectory and taken.get(trajectory, 0) >= per_trajectory:
        return greedy.decision(index, "trajectory", f"{per_trajectory} of {trajectory} are chosen already")
    return greedy.decision(index, "chosen", f"uncertain and different: number {len(chosen) + 1} of the batch")


class _Greedy:
    """Distance of every atom of every candidate to the nearest known atom of its element."""

    def __init__(self, candidates: Sequence[Candidate], pool: Mapping[int, FloatArray]) -> None:
        self.candidates = candidates
        self.distances = [np.full(len(one.atoms), np.inf) for one in candidates]
        for number, known in pool.items():
            self._approach(number, np.asarray(known))

    def gain(self, index: int) -> float:
        """Largest product of uncertainty and distance; largest of all for a new element."""
        weights = self.candidates[index].uncertainty
        with np.errstate(invalid="ignore"):  # zero times infinity: no gain
            products = np.nan_to_num(weights * self.distances[index], nan=0.0, posinf=np.finfo(float).max)
        return float(products.max())

    def add(self, index: int) -> None:
        """Add the atoms of a candidate to the known ones."""
        atoms, features = self.candidates[index].atoms, self.candidates[index].features
        for number in np.unique(atoms.numbers):
            self._approach(int(number), features[atoms.numbers == number])

    def decision(self, index: int, kind: str, reason: str) -> Decision:
        """Decision with the current numbers."""
        weights = self.candidates[index].uncertainty
        with np.errstate(invalid="ignore"):
            atom = int(np.argmax(np.nan_to_num(weights * self.distances[index], nan=0.0, posinf=np.inf)))
        return Decision(index, reason, kind, atom, float(weights.max()), float(self.distances[index][atom]))

    def _approach(self, number: int, known: FloatArray) -> None:
        if len(known) == 0:
            return
        for candidate, distances in zip(self.candidates, self.distances, strict=True):
            mine = candidate.atoms.numbers == number
            if mine.any() and candidate.features.shape[1] > 0:
                distances[mine] = np.minimum(distances[mine], cdist(candidate.features[mine], known).min(axis=1))
