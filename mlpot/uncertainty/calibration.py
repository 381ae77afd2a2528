"""From spread to error bar: a scale for each element, and quantiles that assume no distribution of the errors.

    sigma_i = scale(z_i) * sqrt(spread_i) * D_i * max(1, D_i / limit)
    |error| < quantile(level) * sigma   for a fraction `level` of held-out errors

``D`` is the feature distance of the neighborhood, ``limit`` the value below which 90 % of the held-out atoms lie. Each
of the two signals misses errors that the other one shows, so sigma is the geometric mean of spread and squared
distance, with a faster growth beyond the held-out atoms. The distance is that of the neighborhood because the force on
an atom depends on the energies of its neighbors: an atom below a surface can be well described, and its force not.
docs/uncertainty.md has the measurements behind this form. Without a distance sigma is ``scale(z_i) * spread_i``.

All data are held out of training. The scale puts 68.3 % of the held-out errors within one sigma, as if they were
Gaussian; one from their mean square would depend on the few atoms whose members agree by chance. Atoms whose force is
zero by symmetry are left out (`free_atoms`). The quantiles are those of split conformal prediction, which hold for new
data of the same distribution, whatever it is.

References
----------
Lei et al., J. Am. Stat. Assoc. 113, 1094 (2018), algorithm 2 (split conformal prediction with normalized residuals);
Palmer et al., npj Comput. Mater. 8, 115 (2022): scaling of ensembles by held-out residuals.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mlpot.errors import DataError
from mlpot.model_file.manifest import Calibration, Manifest, Scaling
from mlpot.uncertainty.quality import ErrorTable, force_sigmas, free_atoms, sigmas
from mlpot.uncertainty.spread import Spread

FloatArray = NDArray[np.float64]
LEVELS = (0.5, 0.68, 0.8, 0.9, 0.95, 0.99)
LIMIT_LEVEL = 0.9
ONE_SIGMA = math.erf(math.sqrt(0.5))
"""Fraction of Gaussian errors within one standard deviation."""

FEWEST_ATOMS = 50
"""An element with fewer held-out atoms has the scale of all elements together."""


def calibrate(table: ErrorTable, n_species: int, data_hash: str | None) -> Calibration:
    """Find scales and quantiles.

    Parameters
    ----------
    table : ErrorTable
        Errors and spreads on held-out data.
    n_species : int
        Elements of the model.
    data_hash : str or None
        Of the held-out data, for the file.

    Raises
    ------
    DataError
        No forces, or members that agree exactly.
    """
    if len(table.force_errors) == 0:
        raise DataError("no labelled forces: error bars are calibrated on forces")
    table = free_atoms(table)
    if not (table.force_spreads > 0.0).all():
        raise DataError("the members of the committee agree exactly: there is no spread to scale")
    return Calibration(
        n_structures=table.n_structures,
        n_forces=len(table.force_errors),
        data_hash=data_hash,
        forces=_force_scaling(table, n_species),
        energy=_scaling(table.energy_errors, table.energy_spreads),
        stress=_scaling(table.stress_errors.ravel(), table.stress_spreads.ravel()),
    )


def _force_scaling(table: ErrorTable, n_species: int) -> Scaling:
    around = table.neighborhood_distances
    raw = Scaling(
        scale=[1.0] * n_species,
        distance_limit=float(np.quantile(around, LIMIT_LEVEL)) if len(around) else None,
        levels=list(LEVELS),
        quantiles=[],
    )
    ratios = table.force_errors / sigmas(table, raw)[:, None]
    overall = _scale(ratios)
    scale = np.full(n_species, overall)
    for index in range(n_species):
        own = table.species == index
        if own.sum() >= FEWEST_ATOMS:
            scale[index] = _scale(ratios[own])
    ratios = ratios / scale[table.species][:, None]
    quantiles = conformal_quantiles(np.abs(ratios).ravel(), LEVELS)
    return raw.model_copy(update={"scale": scale.tolist(), "quantiles": quantiles})


def _scaling(errors: FloatArray, spreads: FloatArray) -> Scaling | None:
    kept = spreads > 0.0
    if kept.sum() < 2:
        return None
    ratios = errors[kept] / spreads[kept]
    scale = _scale(ratios)
    quantiles = conformal_quantiles(np.abs(ratios) / scale, LEVELS)
    return Scaling(scale=[scale], levels=list(LEVELS), quantiles=quantiles)


def _scale(ratios: FloatArray) -> float:
    """Factor between spread and one sigma."""
    (scale,) = conformal_quantiles(np.abs(ratios).ravel(), [ONE_SIGMA])
    if scale == 0.0:
        raise DataError("two thirds of the held-out labels are reproduced exactly: calibrate on data with errors")
    return scale


def conformal_quantiles(scores: FloatArray, levels: Sequence[float]) -> list[float]:
    """Quantiles of scores with the correction for their finite number; the largest score where they are too few.

    Parameters
    ----------
    scores : (n,)
    levels : sequence of float
        Between 0 and 1.

    Examples
    --------
    >>> conformal_quantiles(np.arange(1.0, 10.0), [0.5, 0.9, 0.99])
    [5.0, 9.0, 9.0]
    """
    ordered, n = np.sort(scores), len(scores)
    return [float(ordered[min(n, math.ceil((n + 1) * level)) - 1]) for level in levels]


def error_bars(
    manifest: Manifest, spread: Spread, species: NDArray[np.integer], distances: FloatArray | None
) -> dict[str, float | FloatArray]:
    """Calibrated error bars of one structure.

    Parameters
    ----------
    manifest : Manifest
    spread : Spread
    species : (n_atoms,)
    distances : (n_atoms,) or None
        Feature distances of the neighborhoods; None where the file has none.

    Returns
    -------
    dict
        ``energy`` (eV), ``forces`` ((n_atoms,), eV/A, of a component) and ``virial`` ((3, 3), eV), each one standard
        deviation; only those that are calibrated.
    """
    calibration = manifest.calibration
    if calibration is None:
        return {}
    bars: dict[str, float | FloatArray] = {
        "forces": force_sigmas(calibration.forces, spread.forces, species, distances)
    }
    if calibration.energy is not None:
        bars["energy"] = spread.energy * calibration.energy.scale[0]
    if calibration.stress is not None:
        bars["virial"] = spread.virial * calibration.stress.scale[0]
    return bars
