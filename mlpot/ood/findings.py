"""Quality of error bars on structures of a held-out kind, compared with that on known kinds."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlpot.model_file.manifest import Scaling
from mlpot.uncertainty.quality import ErrorTable, ForceQuality, auroc, force_quality, free_atoms, sigmas

FloatArray = NDArray[np.float64]
LARGE_ERROR = 0.99
"""An error is large if it is above this quantile of the errors on known kinds."""
ALARM = 0.95
"""An alarm is raised above this quantile of the values of a signal on known kinds."""
MOST_UNCERTAIN = 0.1
"""Frames are scored by this fraction of their atoms, those with the largest values: most atoms of a slab are bulk."""


@dataclass(frozen=True)
class Findings:
    """Outcome of one case.

    Attributes
    ----------
    known, unknown : ForceQuality
        On structures of known kinds that were not trained on, and on the held-out kind.
    frames_by_sigma, frames_by_distance : float
        AUROC for the held-out kind against the known ones, of frames scored by the mean over the tenth of their atoms
        with the largest sigma, or distance.
    large_errors : float
        Fraction of the atoms of the held-out kind whose error is above the 99 % quantile of the known kinds.
    missed_by_sigma, missed_by_distance, missed_by_both : float
        Fraction of those atoms at which the signal stays below the 95 % quantile of the known kinds: false negatives.
    refused : int
        Structures with an element that the model lacks.
    """

    known: ForceQuality
    unknown: ForceQuality
    frames_by_sigma: float
    frames_by_distance: float
    large_errors: float
    missed_by_sigma: float
    missed_by_distance: float
    missed_by_both: float
    refused: int


def compare(known: ErrorTable, unknown: ErrorTable, scaling: Scaling, refused: int) -> Findings:
    """Compare the held-out kind with the known ones.

    Parameters
    ----------
    known, unknown : ErrorTable
    scaling : Scaling
        Of forces.
    refused : int

    Returns
    -------
    Findings
    """
    quality = force_quality(known, scaling), force_quality(unknown, scaling)
    known, unknown = free_atoms(known), free_atoms(unknown)
    sigma, distance = (sigmas(known, scaling), sigmas(unknown, scaling)), (known.distances, unknown.distances)
    lengths = [np.linalg.norm(table.force_errors, axis=1) for table in (known, unknown)]
    large = lengths[1] > np.quantile(lengths[0], LARGE_ERROR)
    below = [values[1] <= np.quantile(values[0], ALARM) for values in (sigma, distance)]

    def missed(below_alarm: NDArray[np.bool_]) -> float:
        return float(below_alarm[large].mean()) if large.any() else float("nan")

    return Findings(
        known=quality[0],
        unknown=quality[1],
        frames_by_sigma=_frames(known, unknown, *sigma),
        frames_by_distance=_frames(known, unknown, *distance),
        large_errors=float(large.mean()),
        missed_by_sigma=missed(below[0]),
        missed_by_distance=missed(below[1]),
        missed_by_both=missed(below[0] & below[1]),
        refused=refused,
    )


def _frames(known: ErrorTable, unknown: ErrorTable, known_values: FloatArray, unknown_values: FloatArray) -> float:
    """AUROC of the mean of a signal over the most uncertain atoms of each frame."""
    scores = [
        [_highest(values[table.structure == frame]) for frame in np.unique(table.structure)]
        for table, values in ((known, known_values), (unknown, unknown_values))
    ]
    held_out = np.concatenate([np.zeros(len(scores[0]), dtype=bool), np.ones(len(scores[1]), dtype=bool)])
    return auroc(np.concatenate(scores), held_out)


def _highest(values: FloatArray) -> float:
    count = max(1, round(MOST_UNCERTAIN * len(values)))
    return float(np.sort(values)[-count:].mean())
