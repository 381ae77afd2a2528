"""Errors of a model file on a data file, printed, written and drawn: `mlpot evaluate`."""

import json
import math
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from mlpot.cli.error_bar_tables import quality_table
from mlpot.data import LabelledStructure, read_structures
from mlpot.engines.interface import Engine
from mlpot.engines.opening import open_engine
from mlpot.evaluation import ALL, ErrorSummary, Evaluation, evaluate_structures
from mlpot.model_file.manifest import Precision
from mlpot.running.outputs import FIGURES, check_output_file
from mlpot.running.progress import progress_bar
from mlpot.training.plots import plot_parity
from mlpot.uncertainty.collection import collect_errors
from mlpot.uncertainty.plots import plot_reliability
from mlpot.uncertainty.quality import ForceQuality, quality_as_dict, quality_of


def evaluate_file(
    model: Path,
    data: Path,
    *,
    device: str = "cpu",
    precision: Precision | None = None,
    json_path: Path | None = None,
    plot: Path | None = None,
    console: Console | None = None,
) -> Evaluation:
    """Compare a model file with a data file, and print the errors.

    Parameters
    ----------
    model, data : Path
    device, precision
        As of `mlpot.engines.opening.open_engine`.
    json_path : Path, optional
        Where to write `Evaluation.as_dict`.
    plot : Path, optional
        Where to draw predictions against labels, PNG; of a committee, ``*-reliability.png`` shows its error bars.
    console : rich.console.Console, optional
    """
    if json_path is not None:
        check_output_file(json_path)
    if plot is not None:
        check_output_file(plot, FIGURES)
    console = console or Console()
    engine = open_engine(model, device=device, precision=precision)
    console.print(f"{model}: {engine.description}", markup=False, highlight=False)
    structures = read_structures(data)
    console.print(structures.report)
    with progress_bar(console, "evaluate", len(structures)) as update:
        evaluation = evaluate_structures(engine, structures, on_structures=lambda done: update(completed=done))
    console.print(evaluation_table(evaluation))
    quality = None if engine.manifest.committee is None else _evaluate_error_bars(engine, structures, plot, console)
    if json_path is not None:
        content = {"model": str(model), "data": str(data)} | evaluation.as_dict()
        if quality is not None:
            known = quality_as_dict(quality)
            # JSON has no NaN, which a few atoms give.
            content["error_bars"] = {
                name: None if isinstance(value, float) and math.isnan(value) else value for name, value in known.items()
            }
        json_path.write_text(json.dumps(content, indent=1) + "\n")
    if plot is not None:
        plot_parity(evaluation.sample, plot, title=f"{model.name} on {data.name}")
    return evaluation


def _evaluate_error_bars(
    engine: Engine, structures: Iterable[LabelledStructure], plot: Path | None, console: Console
) -> ForceQuality | None:
    """Quality of the error bars of a committee, printed and drawn."""
    table = collect_errors(engine, structures)
    calibration = engine.manifest.calibration
    quality = quality_of(engine.manifest, table)
    if calibration is None:
        console.print(
            "the committee is not calibrated: its spread is not an error bar. Calibrate it on data that it was not "
            "trained on: mlpot calibrate",
            highlight=False,
        )
        return None
    if quality is None:
        console.print("the data have no forces: error bars have nothing to be compared with", highlight=False)
        return None
    console.print(quality_table(quality, f"error bars of {quality.n_atoms} forces"))
    if plot is not None:
        path = plot.with_name(f"{plot.stem}-reliability.png")
        plot_reliability({"data": table}, calibration.forces, path, "reliability")
    return quality


def evaluation_table(evaluation: Evaluation) -> Table:
    """Table of all errors."""
    title = f"errors on {evaluation.n_structures} structures, {evaluation.n_atoms} atoms"
    table = Table(
        title=title, caption="energy meV/atom, forces meV/A, stress meV/A^3; of components, prediction - label"
    )
    for name in ("", "label", "values", "RMSE", "MAE", "max"):
        table.add_column(name, justify="left" if name in ("", "label") else "right")
    single = len(evaluation.by_config_type) == 2  # "all" and one config_type with the same numbers
    for group, labels in evaluation.by_config_type.items():
        if single and group != ALL:
            continue
        for label, errors in labels.items():
            table.add_row(group, label, *_milli(errors))
        table.add_section()
    for element, errors in evaluation.by_element.items():
        table.add_row(element, "forces", *_milli(errors))
    return table


def _milli(errors: ErrorSummary) -> list[str]:
    return [str(errors.n_values), *(f"{1e3 * value:.4g}" for value in (errors.rmse, errors.mae, errors.maximum))]
