"""Energy of each element that is taken off before anything is learned: isolated atoms, given, or least squares.

The rank of the compositions is checked: where the data fixes only sums of reference energies (all frames of one
molecule, say), a fit is refused unless the minimum-norm solution is requested by name.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from ase.data import atomic_numbers as number_of
from ase.data import chemical_symbols
from ase.formula import Formula
from numpy.typing import NDArray
from rich.table import Table

from mlpot.data.findings import frame_list
from mlpot.data.structure import FloatArray, LabelledStructure
from mlpot.errors import DataError

Method = Literal["auto", "given", "isolated", "least_squares", "least_squares_min_norm"]


@dataclass(frozen=True, eq=False)
class ReferenceEnergies:
    """Reference energies and how well compositions alone explain the energies.

    Attributes
    ----------
    atomic_numbers : tuple of int
    values : (n_elements,), eV
    sources : tuple of str
        ``given``, ``isolated atom`` or ``least squares``, element by element.
    residual_mean, residual_std, residual_min, residual_max : float, eV/atom
        Of ``(energy - sum of reference energies) / n_atoms`` over the structures that are not isolated atoms;
        NaN without any.
    n_structures : int
        Number of these.
    """

    atomic_numbers: tuple[int, ...]
    values: FloatArray
    sources: tuple[str, ...]
    residual_mean: float
    residual_std: float
    residual_min: float
    residual_max: float
    n_structures: int

    def as_dict(self) -> dict[str, float]:
        """Symbol to reference energy in eV."""
        return {chemical_symbols[z]: float(e) for z, e in zip(self.atomic_numbers, self.values, strict=True)}

    def __rich__(self) -> Table:
        caption = (
            f"energy beyond these, eV/atom: mean {self.residual_mean:.4f}, standard deviation {self.residual_std:.4f}, "
            f"from {self.residual_min:.4f} to {self.residual_max:.4f} ({self.n_structures} structures)"
        )
        table = Table("element", "reference energy / eV", "source", title="reference energies", caption=caption)
        for z, value, source in zip(self.atomic_numbers, self.values, self.sources, strict=True):
            table.add_row(chemical_symbols[z], f"{value:.6f}", source)
        return table


@dataclass(frozen=True, eq=False)
class EnergyTable:
    """Compositions and energies of a data set: the input of a fit of reference energies, collected in one pass.

    Attributes
    ----------
    counts : (n_structures, n_elements)
        Atoms of each element in each structure that has an energy and is not an isolated atom.
    energies : (n_structures,), eV
    frames : (n_structures,)
        Index of each of them in the data set.
    isolated : dict of atomic number to list of (frame, energy)
    """

    atomic_numbers: tuple[int, ...]
    counts: FloatArray
    energies: FloatArray
    frames: NDArray[np.int64]
    isolated: dict[int, list[tuple[int, float]]]

    @property
    def fractions(self) -> FloatArray:
        """Compositions per atom, (n_structures, n_elements)."""
        result: FloatArray = self.counts / self.counts.sum(axis=1, keepdims=True)
        return result

    def residuals(self, values: FloatArray) -> FloatArray:
        """Energy per atom beyond the reference energies, (n_structures,), eV/atom."""
        result: FloatArray = (self.energies - self.counts @ values) / self.counts.sum(axis=1)
        return result


def elements_of(structures: Iterable[LabelledStructure]) -> list[int]:
    """Atomic numbers in a data set, ascending."""
    return sorted({int(z) for structure in structures for z in np.unique(structure.atoms.numbers)})


def energy_table(structures: Iterable[LabelledStructure], atomic_numbers: Sequence[int]) -> EnergyTable:
    """Gather compositions and energies.

    Raises
    ------
    DataError
        An atom whose element is not in `atomic_numbers`.
    """
    numbers = np.asarray(atomic_numbers)
    counts, energies, frames = [], [], []
    isolated: dict[int, list[tuple[int, float]]] = {}
    for frame, structure in enumerate(structures):
        row = (structure.atoms.numbers[:, None] == numbers).sum(axis=0)
        if row.sum() != len(structure.atoms):
            unknown = sorted({chemical_symbols[z] for z in structure.atoms.numbers if z not in numbers})
            raise DataError(f"frame {frame} has atoms of {', '.join(unknown)}, which are not among the elements")
        if structure.energy is None:
            continue
        if structure.is_isolated_atom:
            isolated.setdefault(int(structure.atoms.numbers[0]), []).append((frame, structure.energy))
        else:
            counts.append(row)
            energies.append(structure.energy)
            frames.append(frame)
    return EnergyTable(
        tuple(int(z) for z in numbers),
        np.array(counts, dtype=np.float64).reshape(len(counts), len(numbers)),
        np.array(energies, dtype=np.float64),
        np.array(frames, dtype=np.int64),
        isolated,
    )


def reference_energies(
    structures: Iterable[LabelledStructure],
    atomic_numbers: Sequence[int],
    given: Mapping[str | int, float] | None = None,
    method: Method = "auto",
) -> ReferenceEnergies:
    """Find the reference energy of each element.

    Parameters
    ----------
    structures : iterable of LabelledStructure
        Isolated atoms are found among them (`LabelledStructure.is_isolated_atom`).
    atomic_numbers : sequence of int
    given : mapping of symbol or atomic number to float, eV
    method : str
        ``auto``: given values, then isolated atoms, then least squares for what is left. ``given``, ``isolated``,
        ``least_squares``: that alone. ``least_squares_min_norm``: least squares, with the smallest values where the
        compositions do not determine them.

    Returns
    -------
    ReferenceEnergies

    Raises
    ------
    DataError
        Elements without a reference energy, compositions that do not determine it, isolated atoms that disagree.
    """
    return reference_energies_of(energy_table(structures, atomic_numbers), given, method)


def reference_energies_of(
    table: EnergyTable, given: Mapping[str | int, float] | None = None, method: Method = "auto"
) -> ReferenceEnergies:
    """Find the reference energies of compositions and energies that are gathered already.

    As `reference_energies` in all else.
    """
    n_elements = len(table.atomic_numbers)
    values, sources = np.full(n_elements, np.nan), [""] * n_elements
    for source, known in _known_values(table, given, method).items():
        for k, z in enumerate(table.atomic_numbers):
            if z in known and not sources[k]:
                values[k], sources[k] = known[z], source
    lacking = np.isnan(values)
    if lacking.any():
        if method in ("given", "isolated"):
            names = _symbols(table.atomic_numbers, np.flatnonzero(lacking))
            raise DataError(f"method `{method}` has no reference energy for {names}: add it, or use method `auto`")
        values = _fit(table, values, min_norm=method == "least_squares_min_norm")
        sources = [source or "least squares" for source in sources]
    return _with_statistics(table, values, tuple(sources))


def _known_values(
    table: EnergyTable, given: Mapping[str | int, float] | None, method: Method
) -> dict[str, dict[int, float]]:
    """Source to element to value, the preferred source first."""
    known = {}
    if method in ("auto", "given"):
        known["given"] = _by_number(given or {})
    if method in ("auto", "isolated"):
        known["isolated atom"] = _isolated_values(table)
    return known


def _by_number(given: Mapping[str | int, float]) -> dict[int, float]:
    values = {}
    for element, value in given.items():
        if isinstance(element, str) and element not in number_of:
            raise DataError(f"reference energies are given for `{element}`, which is not an element")
        z = number_of[element] if isinstance(element, str) else int(element)
        if not np.isfinite(value):
            raise DataError(f"the reference energy of {chemical_symbols[z]} must be finite, got {value}")
        values[z] = float(value)
    return values


def _isolated_values(table: EnergyTable, tolerance: float = 1e-3) -> dict[int, float]:
    values = {}
    for z, atoms in table.isolated.items():
        energies = [energy for _, energy in atoms]
        if max(energies) - min(energies) > tolerance:
            raise DataError(
                f"isolated atoms of {chemical_symbols[z]} disagree: {min(energies):.6f} to {max(energies):.6f} eV "
                f"in frames {frame_list([frame for frame, _ in atoms])}: keep the one computed like the other data"
            )
        values[z] = float(np.mean(energies))
    return values


def _fit(table: EnergyTable, values: FloatArray, *, min_norm: bool) -> FloatArray:
    """Least squares of the energy per atom, for the elements whose value is NaN."""
    free = np.isnan(values)
    if len(table.energies) == 0:
        names = _symbols(table.atomic_numbers, np.flatnonzero(free))
        raise DataError(f"no structure with an energy to fit the reference energy of {names}: give it")
    matrix = table.fractions[:, free]
    target = table.residuals(np.where(free, 0.0, values))
    rank = int(np.linalg.matrix_rank(matrix, tol=1e-6 * np.sqrt(len(matrix))))
    if rank < free.sum() and not min_norm:
        raise DataError(_rank_message(table, np.flatnonzero(free), rank))
    fitted: FloatArray = values.copy()
    fitted[free] = np.linalg.lstsq(matrix, target, rcond=1e-6)[0]
    return fitted


def _rank_message(table: EnergyTable, free: NDArray[np.int64], rank: int) -> str:
    compositions = {tuple(int(n) for n in row) for row in table.counts}
    symbols = [chemical_symbols[z] for z in table.atomic_numbers]
    formula = Formula.from_dict({s: n for s, n in zip(symbols, sorted(compositions)[0], strict=True) if n})
    composed = f"all are {formula}" if len(compositions) == 1 else f"{len(compositions)} different compositions"
    return (
        f"the compositions do not determine the reference energies of {_symbols(table.atomic_numbers, free)}: "
        f"rank {rank} for {len(free)} elements ({composed}), so only sums of them are fixed; add isolated atoms or "
        "structures of other composition, give the values, or take the solution of least norm: "
        "mlpot train ... --set data.reference_energies=least_squares_min_norm"
    )


def _symbols(atomic_numbers: Sequence[int], which: NDArray[np.int64]) -> str:
    return ", ".join(chemical_symbols[atomic_numbers[k]] for k in which)


def _with_statistics(table: EnergyTable, values: FloatArray, sources: tuple[str, ...]) -> ReferenceEnergies:
    residuals = table.residuals(values) if len(table.energies) else np.array([np.nan])
    return ReferenceEnergies(
        table.atomic_numbers,
        values,
        sources,
        float(residuals.mean()),
        float(residuals.std()),
        float(residuals.min()),
        float(residuals.max()),
        len(table.energies),
    )
