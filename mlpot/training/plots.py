"""Learning curve and parity plots, as PNG files."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from mlpot.plotting import new_figure, tidy
from mlpot.training.loss import METRIC_UNITS
from mlpot.training.scoring import LabelPairs

COLORS = {"energy": "#1b6ca8", "forces": "#c8553d", "stress": "#3a7d44", "loss": "#444444", "lr": "#8a8a8a"}
_QUANTITIES = {
    "energy": ("interaction energy per atom", "eV", "meV"),
    "forces": ("force component", "eV/Å", "meV/Å"),
    "stress": ("stress component", "eV/Å³", "meV/Å³"),
}
# Above this number of points single dots merge, and a density is clearer.
_MANY_POINTS = 4000


def plot_learning_curve(history: Sequence[Mapping[str, float]], path: Path) -> None:
    """Loss and validation errors over the epochs of a run.

    Parameters
    ----------
    history : sequence of rows
        See `state.TrainerState`.
    path : Path
        PNG file.
    """
    errors = [label for label in METRIC_UNITS if any(f"{label}_rmse" in row for row in history)]
    figure = new_figure(4.2 * (1 + len(errors)), 3.6)
    axes = figure.subplots(1, 1 + len(errors), squeeze=False)[0]
    _plot_losses(axes[0], history)
    for axis, label in zip(axes[1:], errors, strict=True):
        x, y = _series(history, f"{label}_rmse")
        axis.plot(x, y, color=COLORS[label], label="rmse", lw=1.6)
        x, y = _series(history, f"{label}_mae")
        axis.plot(x, y, color=COLORS[label], label="mae", lw=1.2, ls="--")
        unit = METRIC_UNITS[label].replace("A^3", "Å³").replace("/A", "/Å")
        axis.set(yscale="log", xlabel="epoch", ylabel=f"{label} error, {unit}", title=f"validation, {label}")
        last = _series(history, f"{label}_rmse")[1][-1]
        axis.legend(frameon=False, loc="upper right", title=f"last rmse {last:.3g} {unit}")
        tidy(axis)
    figure.savefig(path)


def _plot_losses(axis: Axes, history: Sequence[Mapping[str, float]]) -> None:
    x, y = _series(history, "train_loss")
    axis.plot(x, y, color=COLORS["loss"], lw=1.4, label="training loss")
    axis.set(xlabel="epoch", ylabel="loss", title="loss and learning rate")
    if len(y):
        axis.set_yscale("log")
    rate = axis.twinx()
    x, y = _series(history, "lr")
    rate.plot(x, y, color=COLORS["lr"], lw=1.0, ls=":", label="learning rate")
    rate.set_ylabel("learning rate", color=COLORS["lr"])
    rate.set_ylim(bottom=0.0)
    rate.spines["top"].set_visible(False)
    lines = [*axis.get_lines(), *rate.get_lines()]
    axis.legend(lines, [str(line.get_label()) for line in lines], frameon=False, loc="upper right")
    tidy(axis)


def plot_parity(pairs: LabelPairs, path: Path, title: str) -> None:
    """Prediction against label, with the distribution of the errors, for each label that occurs.

    Parameters
    ----------
    pairs : LabelPairs
    path : Path
        PNG file.
    title : str
    """
    panels = [(label, getattr(pairs, label).numpy()) for label in METRIC_UNITS if len(getattr(pairs, label))]
    if not panels:
        return
    figure = new_figure(4.4 * len(panels), 4.5)
    figure.suptitle(title)
    for axis, (label, values) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        _plot_parity_panel(axis, label, values)
    figure.savefig(path)


def _plot_parity_panel(axis: Axes, label: str, values: NDArray[np.float64]) -> None:
    name, unit, small_unit = _QUANTITIES[label]
    reference, predicted = values.T
    low, high = float(values.min()), float(values.max())
    margin = 0.04 * (high - low) or 1e-3
    limits = (low - margin, high + margin)
    axis.plot(limits, limits, color="#999999", lw=0.8, zorder=3)
    if len(values) > _MANY_POINTS:
        axis.hexbin(reference, predicted, gridsize=90, extent=(*limits, *limits), bins="log", mincnt=1, cmap="viridis",
                    linewidths=0.1)  # fmt: skip
    else:
        axis.scatter(reference, predicted, s=8, alpha=0.55, color=COLORS[label], linewidths=0, rasterized=True)
    errors = 1e3 * (predicted - reference)
    rmse, mae = float(np.sqrt(np.mean(errors**2))), float(np.mean(np.abs(errors)))
    axis.set(xlim=limits, ylim=limits, aspect="equal", xlabel=f"reference {name}, {unit}", ylabel=f"predicted, {unit}")
    axis.annotate(
        f"rmse {rmse:.3g} {small_unit}\nmae {mae:.3g} {small_unit}\n{len(values)} values",
        (0.03, 0.97), xycoords="axes fraction", ha="left", va="top", fontsize=9,
    )  # fmt: skip
    _plot_errors(axis.inset_axes((0.62, 0.12, 0.35, 0.22)), errors, small_unit, COLORS[label])
    tidy(axis)


def _plot_errors(axis: Axes, errors: NDArray[np.float64], unit: str, color: str) -> None:
    """Histogram of the errors; the outermost half percent on either side is not shown."""
    reach = float(np.quantile(np.abs(errors), 0.99)) or 1.0
    bins = int(np.clip(2 * np.sqrt(len(errors)), 11, 61))
    axis.hist(errors, bins=bins, range=(-reach, reach), color=color, alpha=0.8)
    axis.set_xlabel(f"error, {unit}", fontsize=7, labelpad=1)
    axis.set_yticks([])
    axis.tick_params(labelsize=7)
    for side in ("left", "right", "top"):
        axis.spines[side].set_visible(False)


def _series(history: Sequence[Mapping[str, float]], key: str) -> tuple[list[float], list[float]]:
    rows = [row for row in history if key in row]
    return [row["epoch"] for row in rows], [row[key] for row in rows]
