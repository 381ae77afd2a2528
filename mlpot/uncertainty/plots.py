"""Reliability plot of error bars: nominal against measured coverage, and error against sigma."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from mlpot.model_file.manifest import Scaling
from mlpot.plotting import new_figure, tidy
from mlpot.uncertainty.quality import ErrorTable, force_quality, sigmas

FloatArray = NDArray[np.float64]
COLORS = ("#1b6ca8", "#c8553d", "#3a7d44", "#7d5ba6")
_BINS = 12


def plot_reliability(tables: dict[str, ErrorTable], scaling: Scaling, path: Path, title: str) -> None:
    """Draw coverage, and error against sigma, of one or several data sets.

    Parameters
    ----------
    tables : dict
        Name of a data set -> its errors and spreads; at most four.
    scaling : Scaling
        Of forces.
    path : Path
        PNG file.
    title : str
    """
    figure = new_figure(8.8, 3.9)
    left, right = figure.subplots(1, 2)
    for (name, table), color in zip(tables.items(), COLORS, strict=False):
        coverage = force_quality(table, scaling).coverage
        left.plot(list(coverage), list(coverage.values()), "o-", color=color, label=name, ms=4)
        _plot_errors(right, table, sigmas(table, scaling), color, name)
    left.plot([0, 1], [0, 1], color="#8a8a8a", lw=1.0, ls="--")
    left.set(xlabel="level of the interval", ylabel="fraction of force components inside", title=title)
    right.set(xlabel="sigma of a force component, eV/Å", ylabel="error, eV/Å", xscale="log", yscale="log")
    right.set_title("root mean square error at each sigma")
    for axis in (left, right):
        axis.legend(frameon=False)
        tidy(axis)
    figure.savefig(path)


def _plot_errors(axis: Axes, table: ErrorTable, sigma: FloatArray, color: str, name: str) -> None:
    """Single atoms as dots, groups of equal size by sigma as a line."""
    lengths = np.sqrt(np.mean(table.force_errors**2, axis=1))
    shown = np.random.default_rng(0).permutation(len(sigma))[:1500]
    axis.scatter(sigma[shown], lengths[shown], s=2, color=color, alpha=0.15, lw=0)
    groups = np.array_split(np.argsort(sigma), _BINS)
    x = [np.sqrt(np.mean(sigma[group] ** 2)) for group in groups if len(group)]
    y = [np.sqrt(np.mean(lengths[group] ** 2)) for group in groups if len(group)]
    axis.plot(x, y, "o-", color=color, ms=4, label=name)
    axis.axline((x[0], x[0]), (x[-1], x[-1] * 1.0001), color="#8a8a8a", lw=1.0, ls="--")
