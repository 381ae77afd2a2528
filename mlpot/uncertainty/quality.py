"""Quality of error bars: coverage, sharpness, and correlation with the errors."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata, spearmanr

from mlpot.model_file.manifest import Manifest, Scaling

FloatArray = NDArray[np.float64]
WORST = 0.05
"""Fraction of the atoms with the largest force errors that error bars should identify."""

FIXED = 0.01
"""Atoms with less than this fraction of the root mean square spread have a force that is zero by symmetry."""


class ErrorTable(NamedTuple):
    """Errors of the mean of a committee, and the spread of its members, over a data set.

    Attributes
    ----------
    species : (n_atoms,)
    force_errors : (n_atoms, 3), eV/A
    force_spreads : (n_atoms,), eV/A
    energy_errors, energy_spreads : (n_structures_with_energy,), eV
    stress_errors, stress_spreads : (n_structures_with_stress, 3, 3), eV/A^3
    distances, neighborhood_distances : (n_atoms,)
        Feature distances, of an atom and of its neighborhood; empty where the model has none.
    structure : (n_atoms,)
        Which structure each atom belongs to, counted from 0.
    n_structures : int
    """

    species: NDArray[np.int64]
    force_errors: FloatArray
    force_spreads: FloatArray
    energy_errors: FloatArray
    energy_spreads: FloatArray
    stress_errors: FloatArray
    stress_spreads: FloatArray
    distances: FloatArray
    neighborhood_distances: FloatArray
    structure: NDArray[np.int64]
    n_structures: int


@dataclass(frozen=True)
class ForceQuality:
    """Quality of the error bars of forces.

    Attributes
    ----------
    coverage : dict
        Level -> fraction of force components whose error is inside the interval of that level.
    sharpness : float, eV/A
        Mean half width of the 90 % interval: smaller is better at the same coverage.
    rmse : float, eV/A
    mean_sigma : float, eV/A
        Root of the mean square sigma, which should be the RMSE.
    spearman : float
        Rank correlation of sigma with the length of the error.
    auroc : float
        Probability that one of the worst 5 % of the atoms has a larger sigma than one of the rest.
    distance_auroc : float or None
        The same for the feature distance.
    """

    n_atoms: int
    coverage: dict[float, float]
    sharpness: float
    rmse: float
    mean_sigma: float
    spearman: float
    auroc: float
    distance_auroc: float | None = None


def free_atoms(table: ErrorTable) -> ErrorTable:
    """Table without atoms whose forces are zero by symmetry: their errors and spreads are rounding."""
    spreads = table.force_spreads
    if len(spreads) == 0:
        return table
    free = spreads >= FIXED * np.sqrt(np.mean(spreads**2))
    return table._replace(
        species=table.species[free],
        force_errors=table.force_errors[free],
        force_spreads=spreads[free],
        distances=table.distances[free] if len(table.distances) else table.distances,
        neighborhood_distances=table.neighborhood_distances[free] if len(table.distances) else table.distances,
        structure=table.structure[free],
    )


def sigmas(table: ErrorTable, scaling: Scaling) -> FloatArray:
    """Error bar of the force components of each atom, ``(n_atoms,)``, eV/A."""
    return force_sigmas(scaling, table.force_spreads, table.species, table.neighborhood_distances)


def force_sigmas(
    scaling: Scaling, spreads: FloatArray, species: NDArray[np.integer], distances: FloatArray | None
) -> FloatArray:
    """Error bar of the force components of each atom, from its spread and the feature distance of its neighborhood.

    Parameters
    ----------
    scaling : Scaling
        Of forces.
    spreads : (n_atoms,), eV/A
    species : (n_atoms,)
    distances : (n_atoms,) or None
        Of the neighborhoods, where `scaling` has a limit of them.

    Returns
    -------
    sigma : (n_atoms,), eV/A

    Raises
    ------
    ValueError
        `scaling` requires distances, and there are none.
    """
    scale: FloatArray = np.array(scaling.scale)[species]
    if scaling.distance_limit is None:
        return scale * spreads
    if distances is None:
        raise ValueError("these error bars require the feature distances of the neighborhoods")
    return np.asarray(scale * np.sqrt(spreads) * distances * np.maximum(1.0, distances / scaling.distance_limit))


def force_quality(table: ErrorTable, scaling: Scaling) -> ForceQuality:
    """Compare error bars with errors, on `free_atoms`."""
    table = free_atoms(table)
    sigma, errors = sigmas(table, scaling), np.abs(table.force_errors)
    lengths = np.linalg.norm(errors, axis=1)
    factors = dict(zip(scaling.levels, scaling.quantiles, strict=True))
    inside = {level: float((errors <= factor * sigma[:, None]).mean()) for level, factor in factors.items()}
    worst = lengths > np.quantile(lengths, 1.0 - WORST)
    return ForceQuality(
        n_atoms=len(sigma),
        coverage=inside,
        sharpness=float(factors[0.9] * sigma.mean()),
        rmse=float(np.sqrt(np.mean(errors**2))),
        mean_sigma=float(np.sqrt(np.mean(sigma**2))),
        spearman=float(spearmanr(sigma, lengths)[0]),
        auroc=auroc(sigma, worst),
        distance_auroc=auroc(table.distances, worst) if len(table.distances) else None,
    )


def quality_of(manifest: Manifest, table: ErrorTable) -> ForceQuality | None:
    """Quality of the error bars of a model; None without calibration or without forces."""
    calibration = manifest.calibration
    if calibration is None or len(table.force_errors) == 0:
        return None
    return force_quality(table, calibration.forces)


def quality_as_dict(quality: ForceQuality) -> dict[str, Any]:
    """Plain data for a JSON file."""
    return {**vars(quality), "coverage": {f"{level:g}": inside for level, inside in quality.coverage.items()}}


def auroc(scores: FloatArray, positive: NDArray[np.bool_]) -> float:
    """Probability that a positive has a higher score than a negative (Mann and Whitney); ties count half.

    NaN if there are only positives or only negatives.

    >>> auroc(np.array([0.1, 0.2, 0.3, 0.4]), np.array([False, True, False, True]))
    0.75
    """
    n_positive = int(positive.sum())
    n_negative = len(positive) - n_positive
    if n_positive == 0 or n_negative == 0:
        return float("nan")
    ranks = rankdata(scores)[positive].sum()
    return float((ranks - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))
