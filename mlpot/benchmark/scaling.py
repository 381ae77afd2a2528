"""Cost against the number of atoms, and against ranks and threads."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from mlpot.benchmark.results import Report, Row
from mlpot.plotting import new_figure

_COLORS = ("#1b6ca8", "#c8553d", "#3a7d44", "#8a5fa8", "#8a8a8a", "#b8860b")


@dataclass(frozen=True)
class Growth:
    """Power law of the time of a step: proportional to atoms to the `exponent`.

    Attributes
    ----------
    name : str
    exponent : float
    deviation : float
        Largest deviation of the cost of an atom from its mean, as a fraction.
    """

    name: str
    exponent: float
    deviation: float


@dataclass(frozen=True)
class Speedup:
    """Gain from several ranks or threads.

    Attributes
    ----------
    name : str
    ranks, threads : int
    factor : float
        Time of a step on one over that on all.
    """

    name: str
    ranks: int
    threads: int
    factor: float


def growths(report: Report) -> list[Growth]:
    """Fit a power law to each potential that ran at several sizes on one core.

    Parameters
    ----------
    report : Report

    Returns
    -------
    list of Growth
    """
    return [_growth(name, rows) for name, rows in _series(report).items() if len({row.atoms for row in rows}) > 1]


def speedups(report: Report) -> list[Speedup]:
    """Compare runs on several ranks or threads with those of the same system on one core.

    Parameters
    ----------
    report : Report

    Returns
    -------
    list of Speedup
    """
    alone = {(name, row.atoms): row for name, rows in _series(report).items() for row in rows}
    found = []
    for row in report.rows:
        single = alone.get((_name(row), row.atoms))
        if single is not None and (row.ranks, row.threads) != (1, 1):
            found.append(Speedup(_name(row), row.ranks, row.threads, single.median / row.median))
    return found


def plot_scaling(report: Report, path: Path) -> None:
    """Draw the time of a step against atoms, beside a straight line, and the gains.

    Parameters
    ----------
    report : Report
    path : Path
    """
    gains = speedups(report)
    figure = new_figure(11.0 if gains else 6.0, 4.2)
    axes = figure.subplots(1, 2 if gains else 1, squeeze=False)[0]
    _plot_growth(axes[0], report)
    if gains:
        _plot_gains(axes[1], gains)
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(visible=True, color="#e4e4e4", lw=0.6)
        axis.set_axisbelow(True)
    figure.suptitle(f"{report.system}, {report.machine.processor}")
    figure.savefig(path)


def _plot_growth(axis: Axes, report: Report) -> None:
    found = {growth.name: growth for growth in growths(report)}
    for (name, rows), color in zip(_series(report).items(), _COLORS * 8, strict=False):
        atoms = np.array([row.atoms for row in rows])
        times = np.array([row.median * row.atoms / 1e6 for row in rows])
        label = f"{name}, exponent {found[name].exponent:.3f}" if name in found else name
        axis.plot(atoms, times, "o", color=color, label=label)
        axis.plot(atoms, atoms * np.mean(times / atoms), color=color, lw=1.0)
    axis.set(xscale="log", yscale="log", xlabel="atoms", ylabel="seconds / step", title="one core; lines: proportional")
    axis.legend(frameon=False, fontsize=8)


def _plot_gains(axis: Axes, gains: Sequence[Speedup]) -> None:
    labels = ["\n".join([*gain.name.split(", "), f"{gain.ranks} x {gain.threads}"]) for gain in gains]
    color_of = dict(zip(dict.fromkeys(gain.name for gain in gains), _COLORS * 8, strict=False))
    colors = [color_of[gain.name] for gain in gains]
    axis.bar(range(len(gains)), [gain.factor for gain in gains], color=colors, width=0.6)
    for place, gain in enumerate(gains):
        axis.annotate(f"{gain.factor:.2f}", (place, gain.factor), (0, 2), textcoords="offset points", ha="center")
    axis.set_xticks(range(len(gains)), labels, fontsize=7)
    axis.axhline(1.0, color="#444444", lw=0.8)
    axis.set(ylabel="speed over one core", title="ranks x threads")


def _growth(name: str, rows: Sequence[Row]) -> Growth:
    atoms, costs = np.array([row.atoms for row in rows]), np.array([row.median for row in rows])
    exponent = np.polyfit(np.log(atoms), np.log(costs * atoms), 1)[0]
    return Growth(name, float(exponent), float(np.max(np.abs(costs / costs.mean() - 1.0))))


def _series(report: Report) -> dict[str, list[Row]]:
    """Rows on one core, by name."""
    found: dict[str, list[Row]] = {}
    for row in report.rows:
        if row.ranks == row.threads == 1:
            found.setdefault(_name(row), []).append(row)
    return found


def _name(row: Row) -> str:
    return ", ".join(part for part in (row.potential, row.engine, row.program if row.program == "ASE" else "") if part)
