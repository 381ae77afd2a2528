"""Division of a data set into structures for training and held-out structures of one kind."""

from collections.abc import Sequence

import numpy as np

from mlpot.data import LabelledStructure
from mlpot.errors import ConfigError

HOLDOUTS = ("temperature", "composition", "phase", "pressure", "config_type")
HIGHEST_SHARE = 0.2
"""Fraction of the structures, those with the highest pressure, that is held out."""

Structures = Sequence[LabelledStructure]


def divide(structures: Structures, holdout: str, value: str | None) -> dict[str, list[int]]:
    """Find the structures to hold out.

    Parameters
    ----------
    structures : sequence of LabelledStructure
    holdout : str
        One of `HOLDOUTS`. Temperature and phase are entries of ``atoms.info``.
    value : str, optional
        The one to hold out; by default each in turn, of temperatures and pressures the highest.

    Returns
    -------
    dict
        Name of a case -> indices of its held-out structures.

    Raises
    ------
    ConfigError
        A holdout that the data lack, or a value that does not occur.
    """
    if holdout not in HOLDOUTS:
        raise ConfigError(f"`--holdout` must be one of {', '.join(HOLDOUTS)}, got {holdout!r}; or give --test FILE")
    if holdout == "pressure":
        return {"high pressure": _high_pressure(structures)}
    labels = [_label(structure, holdout) for structure in structures]
    kinds = sorted({label for label in labels if label is not None})
    if len(kinds) < 2:
        raise ConfigError(f"the data have no two kinds of {holdout}: found {', '.join(kinds) or 'none'}")
    if value is not None and value not in kinds:
        raise ConfigError(f"no structure has {holdout} {value!r}; there are {', '.join(kinds)}")
    chosen = kinds if value is None else [value]
    if value is None and holdout == "temperature":
        chosen = [max(kinds, key=float)]
    return {kind: [index for index, label in enumerate(labels) if label == kind] for kind in chosen}


def _label(structure: LabelledStructure, holdout: str) -> str | None:
    if structure.is_isolated_atom:
        return None
    if holdout == "composition":
        return str(structure.atoms.symbols.formula.reduce()[0])
    if holdout == "config_type":
        return structure.config_type
    entry = structure.atoms.info.get(holdout)
    return None if entry is None else str(entry)


def _high_pressure(structures: Structures) -> list[int]:
    pressures = [
        np.nan if structure.stress is None else -float(np.trace(structure.stress)) / 3.0 for structure in structures
    ]
    if np.isnan(pressures).all():
        raise ConfigError("no structure has a stress: a pressure cannot be held out")
    limit = np.nanquantile(pressures, 1.0 - HIGHEST_SHARE)
    return [index for index, pressure in enumerate(pressures) if pressure > limit]
