"""Course of a loop as one figure: errors, calibration, which frames were selected and why, and the cost."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from mlpot.active_learning.reporting.overview import IterationRow, iteration_rows, overhead
from mlpot.active_learning.store.store import Store
from mlpot.data.structure import FloatArray
from mlpot.errors import StoreError
from mlpot.plotting import new_figure, tidy
from mlpot.running.outputs import FIGURES, check_output_file

COLORS = ("#1b6ca8", "#c8553d", "#3a7d44", "#7d5ba6", "#b8860b", "#5f6b6d", "#2aa198", "#d33682")
_BINS = 8
RANDOM = "random validation"
CURVES = {
    "validation": "held-out initial structures",
    "random_validation_before": "new random validation frames, before",
    "chosen_before": "chosen frames, before",
}


def draw_report(store: Store, target: Path) -> None:
    """Draw the figure to a file, PNG, PDF or SVG.

    Raises
    ------
    StoreError
        There is no potential yet.
    OutputError
        The file cannot be written.
    """
    check_output_file(target, FIGURES)
    rows = iteration_rows(store)
    learned = [row for row in rows if row.n_train is not None]
    if not learned:
        raise StoreError(f"{store.path} holds no potential yet: `mlpot active status` shows the state of the loop")
    figure = new_figure(13.0, 7.6)
    axes = figure.subplots(2, 3)
    _draw_learning_curves(axes[0, 0], learned)
    _before_and_after(axes[0, 1], learned)
    _calibration(axes[0, 2], learned)
    _selected(axes[1, 0], store, rows)
    _intervals(axes[1, 1], store)
    _cost(axes[1, 2], rows)
    for axis in axes.flat:
        tidy(axis)
    figure.suptitle(f"{store.path.name}: {learned[-1].n_train} labels trained on, {learned[-1].iteration} iterations")
    figure.savefig(target)


def learning_curves(rows: Sequence[IterationRow]) -> dict[str, list[tuple[int, float]]]:
    """Points of the learning curves: for each set of labels, numbers of training labels and force RMSE (meV/A).

    Errors before training belong to the potential of the row before.
    """
    before = [rows[0], *rows[:-1]]
    curves: dict[str, list[tuple[int, float]]] = {}
    for row, previous in zip(rows, before, strict=True):
        for name in CURVES:
            n_train = (previous if name.endswith("_before") else row).n_train
            if name in row.errors and n_train is not None:
                curves.setdefault(name, []).append((n_train, 1e3 * row.errors[name]["forces_rmse"]))
    return curves


def _draw_learning_curves(axis: Axes, rows: Sequence[IterationRow]) -> None:
    curves = learning_curves(rows)
    for color, (name, text) in zip(COLORS, CURVES.items(), strict=False):
        if name in curves:
            axis.plot(*zip(*curves[name], strict=True), "o-", color=color, ms=4, label=text)
    axis.set(title="errors", xlabel="labels trained on", ylabel="force RMSE, meV/A", yscale="log")
    axis.legend(fontsize=8)


def _pairs(rows: list[IterationRow], *names: str) -> tuple[FloatArray, FloatArray]:
    """Sigma and error, meV/A, of some sets of all iterations."""
    found = [row.errors[name] for row in rows for name in names if name in row.errors]
    sigma = np.concatenate([np.zeros(0), *(one["sigma"] for one in found)])
    error = np.concatenate([np.zeros(0), *(one["error"] for one in found)])
    return 1e3 * sigma, 1e3 * error


def _before_and_after(axis: Axes, rows: list[IterationRow]) -> None:
    later = [row for row in rows if row.iteration > 0]
    for color, name, text in ((COLORS[1], "chosen_before", "before"), (COLORS[0], "chosen_after", "after")):
        sigma, error = _pairs(later, name)
        kept = (sigma > 0) & (error > 0)
        axis.plot(sigma[kept], error[kept], ".", ms=2, color=color, alpha=0.5, label=f"{text} training on them")
    axis.set(title="chosen frames", xlabel="sigma, meV/A", ylabel="force error, meV/A", xscale="log", yscale="log")
    axis.axline((1.0, 1.0), (10.0, 10.0), color="black", lw=0.8)
    axis.legend(fontsize=8, markerscale=4)


def _calibration(axis: Axes, rows: list[IterationRow]) -> None:
    """Errors on random validation frames by the previous potential, in bins of sigma."""
    sigma, error = _pairs([row for row in rows if row.iteration > 0], "random_validation_before")
    axis.set(title="calibration, before training", xlabel="sigma, meV/A", ylabel="RMS force error, meV/A")
    if len(sigma) < 2 * _BINS:
        axis.text(0.5, 0.5, "too few random validation frames yet", ha="center", transform=axis.transAxes)
        return
    bins: list[NDArray[np.int64]] = np.array_split(np.argsort(sigma), _BINS)
    x = [float(np.sqrt(np.mean(sigma[one] ** 2))) for one in bins]
    y = [float(np.sqrt(np.mean(error[one] ** 2))) for one in bins]
    coverage = [
        (row.errors["random_validation_before"]["coverage"], row.errors["random_validation_before"]["n_structures"])
        for row in rows
        if "random_validation_before" in row.errors
    ]
    fraction = sum(one * number for one, number in coverage) / sum(number for _, number in coverage)
    axis.plot(x, y, "o-", color=COLORS[0], label=f"90 % interval contains {100 * fraction:.0f} %")
    axis.plot([0, max(x)], [0, max(x)], "k-", lw=0.8)
    axis.legend(fontsize=8)


def _selected(axis: Axes, store: Store, rows: list[IterationRow]) -> None:
    """Draw the number of labelled structures in each iteration, by origin."""
    found = store.database.rows(
        "SELECT s.iteration, json_extract(s.details, '$.kind') AS decision, json_extract(t.origin, '$.kind') AS kind, "
        "json_extract(t.origin, '$.start') AS start FROM selections s JOIN structures t ON t.id = s.structure_id "
        "WHERE s.chosen"
    )
    counts: dict[str, Counter[int]] = {}
    for row in found:
        name = RANDOM if row["decision"] == "random_validation" else (row["start"] or row["kind"])
        counts.setdefault(name, Counter())[row["iteration"]] += 1
    iterations = [row.iteration for row in rows]
    bottom = np.zeros(len(iterations))
    for index, (name, numbers) in enumerate(sorted(counts.items())):
        heights = np.array([numbers[iteration] for iteration in iterations], dtype=np.float64)
        color = "#c9c9c9" if name == RANDOM else COLORS[index % len(COLORS)]
        axis.bar(iterations, heights, bottom=bottom, label=name, color=color)
        bottom += heights
    axis.set(title="labelled structures, by initial state", xlabel="iteration", ylabel="structures")
    axis.legend(fontsize=7, ncols=2)


def _intervals(axis: Axes, store: Store) -> None:
    """Temperature and largest force interval of chosen and random validation frames."""
    for kind, color, mark in (("chosen", COLORS[1], "o"), ("random_validation", "#5f6b6d", "x")):
        details = [one.details for one in store.history.selections(chosen=True) if one.details.get("kind") == kind]
        points = [(one["temperature"], 1e3 * one["force_interval"]) for one in details if "force_interval" in one]
        if points:
            axis.plot(*zip(*points, strict=True), mark, color=color, ms=4, alpha=0.7, label=kind.replace("_", " "))
    axis.set(title="largest force interval (90 %)", xlabel="temperature, K", ylabel="interval, meV/A", yscale="log")
    if axis.has_data():
        axis.legend(fontsize=8)


def _cost(axis: Axes, rows: list[IterationRow]) -> None:
    iterations = [row.iteration for row in rows]
    bottom = np.zeros(len(rows))
    parts = {
        "calculations": [row.computing for row in rows],
        "training": [row.training for row in rows],
        f"everything else, {100 * overhead(rows):.1f} %": [row.overhead for row in rows],
    }
    for color, (name, seconds) in zip(COLORS, parts.items(), strict=False):
        heights = np.array(seconds) / 60.0
        axis.bar(iterations, heights, bottom=bottom, label=name, color=color)
        bottom += heights
    axis.set(title="cost", xlabel="iteration", ylabel="minutes")
    axis.legend(fontsize=8)
