"""`mlpot properties`: all properties of one crystal with one potential, as a table, a JSON file and a picture."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any, Protocol

from ase import Atoms
from matplotlib.axes import Axes
from pydantic_core import to_json
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mlpot.calculator import MLPotCalculator
from mlpot.errors import ConfigError, MLPotError
from mlpot.plotting import new_figure
from mlpot.properties.crystal import structure_from
from mlpot.properties.elastic import elastic_constants
from mlpot.properties.equation_of_state import equation_of_state
from mlpot.properties.phonons import phonons
from mlpot.properties.rows import Row
from mlpot.properties.short_range import dimer_scan
from mlpot.properties.surface import surface_energies
from mlpot.properties.vacancy import vacancy_energies
from mlpot.running.progress import progress_bar


class Property(Protocol):
    """What every result of a property can do."""

    def rows(self) -> list[Row]:
        """Lines of a table."""

    def plot(self, axis: Axes) -> None:
        """Draw itself."""


Results = dict[str, Property | MLPotError]


def run_properties(
    calculator: MLPotCalculator,
    structure: str,
    output: Path,
    *,
    only: Sequence[str] = (),
    console: Console | None = None,
) -> Results:
    """Compute properties, print them, write ``properties.json`` and ``properties.png``.

    Parameters
    ----------
    calculator : MLPotCalculator
        In float64: second derivatives are taken by finite differences.
    structure : str
        As of `structure_from`.
    output : Path
        Folder.
    only : sequence of str
        Names of properties; none: all.
    console : rich.console.Console, optional

    Returns
    -------
    dict
        Name -> result, or the error that kept it from being computed.

    Raises
    ------
    ConfigError
        An unknown property or structure.
    """
    console = console or Console()
    jobs = _jobs(structure_from(structure), calculator)
    if unknown := set(only) - jobs.keys():
        raise ConfigError(f"unknown properties {', '.join(sorted(unknown))}; expected some of {', '.join(jobs)}")
    results: Results = {}
    with progress_bar(console, total=len(only or jobs)) as update:
        for name in only or jobs:
            update(description=name)
            results[name] = _result_of(jobs[name])
            update(advance=1)
    output.mkdir(parents=True, exist_ok=True)
    console.print(properties_table(results, structure))
    heading = {"model": calculator.parameters["path"], "sha256": calculator.sha256, "structure": structure}
    write_json(heading, results, output / "properties.json")
    plot_properties(results, output / "properties.png")
    console.print(f"written to {output}/properties.json and properties.png", highlight=False, soft_wrap=True)
    return results


def _jobs(atoms: Atoms, calculator: MLPotCalculator) -> dict[str, Callable[[], Property]]:
    """Name -> what computes the property."""
    cutoff = calculator.model.manifest.cutoff
    pairs = combinations_with_replacement(sorted(set(atoms.symbols)), 2)
    jobs: dict[str, Callable[[], Property]] = {
        "equation-of-state": partial(equation_of_state, atoms, calculator),
        "elastic": partial(elastic_constants, atoms, calculator),
        "phonons": partial(phonons, atoms, calculator, shortest=4 * cutoff),
        "vacancies": partial(vacancy_energies, atoms, calculator),
        "surfaces": partial(surface_energies, atoms, calculator),
    }
    for a, b in pairs:
        jobs[f"dimer-{a}-{b}"] = partial(dimer_scan, a, b, calculator, cutoff=cutoff)
    return jobs


def _result_of(job: Callable[[], Property]) -> Property | MLPotError:
    """One property that cannot be computed does not keep the others from it."""
    try:
        return job()
    except MLPotError as error:
        return error


def properties_table(results: Results, structure: str) -> Table:
    """Table of all results.

    Parameters
    ----------
    results : dict
    structure : str
        For the title.

    Returns
    -------
    rich.table.Table
    """
    table = Table(title=f"properties of {structure}")
    table.add_column("")
    table.add_column("value", justify="right", overflow="fold")
    table.add_column("unit")
    for name, result in results.items():
        if isinstance(result, MLPotError):
            table.add_row(name, f"[yellow]{escape(str(result))}[/]", "")
        else:
            for row in result.rows():
                table.add_row(*map(escape, row))
        table.add_section()
    return table


def write_json(heading: Mapping[str, Any], results: Results, path: Path) -> None:
    """Write all numbers; units are those of the dataclasses and of the rows.

    Parameters
    ----------
    heading : mapping
        What was computed with what.
    results : dict
    path : Path
    """
    good = {name: result for name, result in results.items() if not isinstance(result, MLPotError)}
    content = {
        **heading,
        "table": [row._asdict() for result in good.values() for row in result.rows()],
        "results": good,
        "not computed": {name: str(result) for name, result in results.items() if isinstance(result, MLPotError)},
    }
    path.write_bytes(to_json(content, indent=1, inf_nan_mode="null", fallback=lambda array: array.tolist()) + b"\n")


def plot_properties(results: Results, path: Path) -> None:
    """Draw all results on one sheet.

    Parameters
    ----------
    results : dict
    path : Path
        PNG file.
    """
    drawn = [result for result in results.values() if not isinstance(result, MLPotError)]
    n_rows = max(1, -(-len(drawn) // 3))
    figure = new_figure(14.0, 4.2 * n_rows)
    axes = figure.subplots(n_rows, 3, squeeze=False).ravel()
    for result, axis in zip(drawn, axes, strict=False):
        result.plot(axis)
    for axis in axes[len(drawn) :]:
        axis.set_visible(False)
    figure.savefig(path)
