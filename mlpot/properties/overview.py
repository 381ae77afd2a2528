"""All properties of one crystal with one potential, written as JSON and drawn on one sheet: `mlpot properties`."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any, Protocol

from ase import Atoms
from matplotlib.axes import Axes
from pydantic_core import to_json

from mlpot.calculator import MLPotCalculator
from mlpot.errors import ConfigError, MLPotError
from mlpot.plotting import new_figure
from mlpot.properties.elastic import elastic_constants
from mlpot.properties.equation_of_state import equation_of_state
from mlpot.properties.phonons import phonons
from mlpot.properties.rows import Row
from mlpot.properties.short_range import dimer_scan
from mlpot.properties.surface import surface_energies
from mlpot.properties.vacancy import vacancy_energies


class Property(Protocol):
    """Interface of the results."""

    def rows(self) -> list[Row]:
        """Lines of a table."""

    def plot(self, axis: Axes) -> None:
        """Draw the result."""


Results = dict[str, Property | MLPotError]


def compute_properties(
    atoms: Atoms,
    calculator: MLPotCalculator,
    *,
    only: Sequence[str] = (),
    on_property: Callable[[str, int, int], None] = lambda name, done, total: None,
) -> Results:
    """Compute all properties of a crystal.

    Parameters
    ----------
    atoms : ase.Atoms
        Any cell of the crystal.
    calculator : MLPotCalculator
        In float64: second derivatives are taken by finite differences.
    only : sequence of str
        Names of properties; empty for all.
    on_property : callable
        Called before each property with its name, the number of those done and their total number.

    Returns
    -------
    dict
        Name -> result, or the error that prevents it.

    Raises
    ------
    ConfigError
        An unknown property.
    """
    jobs = _jobs(atoms, calculator)
    if unknown := set(only) - jobs.keys():
        raise ConfigError(f"unknown properties {', '.join(sorted(unknown))}; expected some of {', '.join(jobs)}")
    names, results = list(only or jobs), {}
    for done, name in enumerate(names):
        on_property(name, done, len(names))
        results[name] = _result_of(jobs[name])
    return results


def _jobs(atoms: Atoms, calculator: MLPotCalculator) -> dict[str, Callable[[], Property]]:
    """Functions that compute the properties, by name."""
    cutoff = calculator.manifest.cutoff
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
    """Run one property and return its result or its error; an error must not stop the others."""
    try:
        return job()
    except MLPotError as error:
        return error


def write_json(heading: Mapping[str, Any], results: Results, path: Path) -> None:
    """Write all numbers; units are those of the dataclasses and of the rows. `heading` names model and structure."""
    good = {name: result for name, result in results.items() if not isinstance(result, MLPotError)}
    content = {
        **heading,
        "table": [row._asdict() for result in good.values() for row in result.rows()],
        "results": good,
        "not computed": {name: str(result) for name, result in results.items() if isinstance(result, MLPotError)},
    }
    path.write_bytes(to_json(content, indent=1, inf_nan_mode="null", fallback=lambda array: array.tolist()) + b"\n")


def plot_properties(results: Results, path: Path) -> None:
    """Draw all results on one sheet, a PNG file."""
    drawn = [result for result in results.values() if not isinstance(result, MLPotError)]
    n_rows = max(1, -(-len(drawn) // 3))
    figure = new_figure(14.0, 4.2 * n_rows)
    axes = figure.subplots(n_rows, 3, squeeze=False).ravel()
    for result, axis in zip(drawn, axes, strict=False):
        result.plot(axis)
    for axis in axes[len(drawn) :]:
        axis.set_visible(False)
    figure.savefig(path)
