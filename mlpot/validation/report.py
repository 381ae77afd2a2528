"""Files of `mlpot check`: ``check.json``, ``check.png`` with all plots, one XYZ file for each failed check."""

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ase.io import write
from matplotlib.axes import Axes
from pydantic_core import to_json

from mlpot import __version__
from mlpot.plotting import new_figure
from mlpot.simulation.frames import without_calculator
from mlpot.validation.result import CheckResult, Panel

COLUMNS = 3


@dataclass(frozen=True)
class CheckReport:
    """Results of all checks of one model.

    Attributes
    ----------
    model : Path
    sha256 : str
        Hash of the model file.
    structures : tuple of str
        Names of the structures, as of `structure_from`.
    results : tuple of CheckResult
        Checks that were not run after an interrupt are skipped ones.
    interrupted : bool
        Whether Ctrl-C ended the run.
    """

    model: Path
    sha256: str
    structures: tuple[str, ...]
    results: tuple[CheckResult, ...]
    interrupted: bool

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return all(result.status != "failed" for result in self.results)

    @property
    def title(self) -> str:
        """Title of table and plots."""
        return f"check of {self.model}"

    def write(self, folder: Path) -> list[Path]:
        """Write all files of the report.

        Parameters
        ----------
        folder : Path
            Created where it does not exist.

        Returns
        -------
        list of Path
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._write_json(folder / "check.json")
        self._draw(folder / "check.png")
        return [folder / "check.json", folder / "check.png", *self._write_structures(folder)]

    def _write_json(self, path: Path) -> None:
        checks = [
            {"name": r.name, "status": r.status, "sentence": r.sentence, "numbers": r.numbers, "seconds": r.seconds}
            for r in self.results
        ]
        content = {
            "model": str(self.model),
            "sha256": self.sha256,
            "mlpot": __version__,
            "structures": self.structures,
            "complete": not self.interrupted,
            "passed": self.passed,
            "checks": checks,
        }
        path.write_bytes(to_json(content, indent=1, inf_nan_mode="null", fallback=lambda array: array.tolist()) + b"\n")

    def _write_structures(self, folder: Path) -> list[Path]:
        written = []
        for result in self.results:
            if result.structures:
                path = folder / f"{re.sub(r'[^A-Za-z0-9.-]+', '-', result.name)}.xyz"
                write(path, [without_calculator(atoms) for atoms in result.structures], format="extxyz")
                written.append(path)
        return written

    def _draw(self, path: Path) -> None:
        panels: list[Panel] = [partial(_draw, result, panel) for result in self.results for panel in result.panels]
        if not panels:
            return
        n_rows = -(-len(panels) // COLUMNS)
        figure = new_figure(4.6 * COLUMNS, 3.9 * n_rows)
        figure.suptitle(self.title)
        axes = figure.subplots(n_rows, COLUMNS, squeeze=False).ravel()
        for panel, axis in zip(panels, axes, strict=False):
            panel(axis)
        for axis in axes[len(panels) :]:
            axis.set_visible(False)
        figure.savefig(path)


def _draw(result: CheckResult, panel: Panel, axis: Axes) -> None:
    """Draw one plot; the title of a failed check is red."""
    panel(axis)
    axis.set_title(f"{result.name}: {result.status}", color="#b3261e" if result.status == "failed" else "#222222")
