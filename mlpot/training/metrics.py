"""History of a run on disk: `metrics.csv`, one row per validation, and TensorBoard events on request."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlpot.errors import ConfigError

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

METRICS_NAME = "metrics.csv"

# Key of a row of the history -> heading with its unit.
COLUMNS = {
    "epoch": "epoch",
    "step": "step",
    "time": "time_s",
    "lr": "learning_rate",
    "train_loss": "train_loss",
    "validation_loss": "validation_loss",
    "energy_rmse": "energy_rmse_meV_per_atom",
    "energy_mae": "energy_mae_meV_per_atom",
    "forces_rmse": "forces_rmse_meV_per_A",
    "forces_mae": "forces_mae_meV_per_A",
    "stress_rmse": "stress_rmse_meV_per_A3",
    "stress_mae": "stress_mae_meV_per_A3",
}
_COUNTS = ("epoch", "step")


class MetricsLog:
    """Appends rows to `metrics.csv`; rows of an earlier process that lie after its last checkpoint are dropped.

    Parameters
    ----------
    folder : Path or None
        None: nothing is written (all processes but the first).
    history : sequence of rows
        Rows of earlier processes.
    tensorboard : bool
    """

    def __init__(self, folder: Path | None, history: Sequence[Mapping[str, float]], tensorboard: bool = False) -> None:
        self.path = None if folder is None else folder / METRICS_NAME
        self._writer = None if folder is None or not tensorboard else _summary_writer(folder / "tensorboard")
        if self.path is not None:
            with self.path.open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([list(COLUMNS.values()), *(_cells(row) for row in history)])

    def add(self, row: Mapping[str, float]) -> None:
        """Record one validation."""
        if self.path is None:
            return
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow(_cells(row))
        if self._writer is not None:
            for key, value in row.items():
                if key not in _COUNTS:
                    self._writer.add_scalar(COLUMNS[key], value, int(row["step"]))
            self._writer.flush()

    def close(self) -> None:
        """Finish the TensorBoard file."""
        if self._writer is not None:
            self._writer.close()


def _cells(row: Mapping[str, float]) -> list[str]:
    return ["" if key not in row else f"{row[key]:.0f}" if key in _COUNTS else f"{row[key]:.6g}" for key in COLUMNS]


def _summary_writer(folder: Path) -> "SummaryWriter":
    try:
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415  # an optional package
    except ImportError as error:
        raise ConfigError(
            "`run.tensorboard` is on but the tensorboard package is missing: pip install tensorboard, or switch it off"
        ) from error
    return SummaryWriter(str(folder))
