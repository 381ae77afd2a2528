"""Tables and progress of commands that make or evaluate error bars."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from mlpot.data import LabelledStructure, read_structures
from mlpot.model_file.manifest import Calibration, Manifest
from mlpot.running.progress import progress_bar
from mlpot.uncertainty.error_bars import OnProgress
from mlpot.uncertainty.quality import WORST, ForceQuality


def read_like_training(manifest: Manifest, files: Sequence[Path], console: Console) -> Sequence[LabelledStructure]:
    """Read data with the label names that the model was trained with, and print which they are."""
    names = "energy_key", "forces_key", "stress_key", "virial_key", "group_key"
    used = manifest.training.get("config", {}).get("data", {})
    keys = {name: used[name] for name in names if used.get(name) is not None}
    structures = read_structures([str(file) for file in files], **keys)
    console.print(structures.report)
    return structures


@contextmanager
def progress_of_structures(console: Console) -> Iterator[OnProgress]:
    """Progress bar for the tasks of `mlpot.uncertainty.error_bars`, one after the other."""
    with progress_bar(console) as update:
        yield lambda task, done, total: update(description=task, completed=done, total=total)


def calibration_table(calibration: Calibration, elements: list[str]) -> Table:
    """Table of scales and quantiles."""
    title = f"calibrated on {calibration.n_structures} structures, {calibration.n_forces} forces"
    table = Table(title=title, caption="sigma = scale * spread; |error| < factor * sigma at a level of 90 %")
    for name in ("", "scale", "factor at 90 %"):
        table.add_column(name, justify="left" if not name else "right")
    place = calibration.forces.levels.index(0.9)
    for element, scale in zip(elements, calibration.forces.scale, strict=True):
        table.add_row(f"forces, {element}", f"{scale:.3g}", f"{calibration.forces.quantiles[place]:.3g}")
    for name, scaling in (("energy", calibration.energy), ("stress", calibration.stress)):
        if scaling is not None:
            table.add_row(name, f"{scaling.scale[0]:.3g}", f"{scaling.quantiles[place]:.3g}")
    return table


def quality_table(quality: ForceQuality, title: str) -> Table:
    """Table of the quality of error bars."""
    table = Table(title=title, show_header=False)
    for level, inside in quality.coverage.items():
        table.add_row(f"errors inside of the {100 * level:g} % interval", f"{100 * inside:.1f} %")
    worst = f"the worst {100 * WORST:g} %"
    rows = {
        "half width of the 90 % interval": f"{1e3 * quality.sharpness:.4g} meV/A",
        "root mean square sigma, error": f"{1e3 * quality.mean_sigma:.4g}, {1e3 * quality.rmse:.4g} meV/A",
        "rank correlation of sigma and error (Spearman)": f"{quality.spearman:.3f}",
        f"AUROC of sigma for {worst}": f"{quality.auroc:.3f}",
    }
    if quality.distance_auroc is not None:
        rows[f"AUROC of the feature distance for {worst}"] = f"{quality.distance_auroc:.3f}"
    for name, text in rows.items():
        table.add_row(name, text)
    return table
