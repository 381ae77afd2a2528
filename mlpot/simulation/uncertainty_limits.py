"""Limits of error bars and feature distances in a run, and the atoms above them: for `guard` and `md_checks`."""

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from mlpot.calculator import MLPotCalculator
from mlpot.errors import ConfigError
from mlpot.neighbors.matscipy import FloatArray
from mlpot.simulation.frames import with_forces


def uncertainty_limits(
    calculator: MLPotCalculator, max_sigma: float | None, max_distance: float | None
) -> dict[str, float]:
    """Limits of ``forces_std`` (of ``forces_ensemble_std`` where it is not calibrated) and ``feature_distance``.

    Raises
    ------
    ConfigError
        A limit is not positive, or the model does not have the property.
    """
    known = calculator.implemented_properties
    bars = "forces_std" if "forces_std" in known else "forces_ensemble_std"
    limits = {
        name: limit for name, limit in ((bars, max_sigma), ("feature_distance", max_distance)) if limit is not None
    }
    for name, limit in limits.items():
        if name not in known:
            raise ConfigError(f"the model has no {name}, got a limit for it: see `mlpot committee attach --help`")
        if not limit > 0.0:
            raise ConfigError(f"the limit of {name} must be above 0, got {limit}")
    return limits


def read_uncertainty(atoms: Atoms, limits: dict[str, float]) -> dict[str, FloatArray]:
    """Values of the properties with a limit, (n_atoms,), and the feature distance where it is computed with them."""
    # One evaluation computes the forces, which the written frame needs, and all of these.
    atoms.calc.calculate(atoms, ["forces", *limits])
    names = dict.fromkeys([*limits, "feature_distance"])
    return {name: atoms.calc.results[name] for name in names if name in atoms.calc.results}


def exceeds(values: dict[str, FloatArray], limits: dict[str, float]) -> NDArray[np.bool_]:
    """Mark the atoms above a limit, (n_atoms,); NaN counts as above."""
    above = [~(values[name] <= limit) for name, limit in limits.items()]
    return np.asarray(np.logical_or.reduce(above))


def describe_uncertain(atoms: Atoms, values: dict[str, FloatArray], limits: dict[str, float]) -> str:
    """Describe the atom that is farthest above its limit, for messages."""
    ratios = np.max([np.nan_to_num(values[name] / limit, nan=np.inf) for name, limit in limits.items()], axis=0)
    k = int(ratios.argmax())
    units = {"feature_distance": ""}
    numbers = [
        f"{name} {values[name][k]:.4g}{units.get(name, ' eV/A')} (limit {limit:g})" for name, limit in limits.items()
    ]
    count = int(exceeds(values, limits).sum())
    place = np.array2string(atoms.positions[k], precision=4)
    return f"atom {k} ({atoms.symbols[k]} at {place}) has {' and '.join(numbers)}; {count} uncertain atoms"


def uncertain_frame(atoms: Atoms, values: dict[str, FloatArray], uncertain: NDArray[np.bool_]) -> Atoms:
    """Copy of the atoms with forces, the values of all atoms and the array ``uncertain``."""
    frame = with_forces(atoms)
    for name, array in values.items():
        frame.set_array(name, array)
    frame.set_array("uncertain", uncertain)
    return frame
