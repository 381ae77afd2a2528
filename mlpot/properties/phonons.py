"""Phonons of a crystal from finite displacements (`ase.phonons`): band structure, and whether all modes are real."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator
from ase.dft.kpoints import monkhorst_pack
from ase.phonons import Phonons as Displacements
from matplotlib.axes import Axes

from mlpot.neighbors.matscipy import FloatArray
from mlpot.plotting import tidy
from mlpot.properties.crystal import primitive_cell, relaxed_crystal, repeats
from mlpot.properties.rows import Row

THZ = 1e-12 / units._hplanck * units._e
"""One eV in THz."""

TOLERANCE = 0.1
"""Modes are called imaginary below minus this (THz): rounding and the sum rule move acoustic modes by less."""


@dataclass(frozen=True)
class Phonons:
    """Phonons of a crystal at zero pressure; imaginary frequencies are written as negative ones.

    Attributes
    ----------
    supercell : tuple of int
        Repetitions of the primitive cell.
    n_atoms : int
        Of the supercell.
    distances : (n_points,), 1/A
        Along the path, from its start.
    frequencies : (n_points, n_modes), THz
        Along the path.
    labels : tuple of (float, str)
        Where the special points lie, and their names.
    lowest : float, THz
        Of path and grid.
    lowest_at : (3,)
        Wave vector of the lowest mode, in reciprocal cell vectors.
    highest : float, THz
    n_imaginary, n_modes : int
        On the grid of wave vectors that fit into the supercell, where the frequencies are exact.
    """

    supercell: tuple[int, int, int]
    n_atoms: int
    distances: FloatArray
    frequencies: FloatArray
    labels: tuple[tuple[float, str], ...]
    lowest: float
    lowest_at: FloatArray
    highest: float
    n_imaginary: int
    n_modes: int

    @property
    def stable(self) -> bool:
        """Whether no mode, on the grid or along the path, is imaginary."""
        return self.lowest > -TOLERANCE

    def rows(self) -> list[Row]:
        """Lines of a table."""
        where = ", ".join(f"{x:.2f}" for x in self.lowest_at)
        imaginary = "none" if self.stable else f"{self.lowest:.2f} THz at ({where})"
        return [
            Row(f"highest phonon, {self.n_atoms} atoms", f"{self.highest:.2f}", "THz"),
            Row("imaginary phonons", imaginary, ""),
        ]

    def plot(self, axis: Axes) -> None:
        """Draw the band structure."""
        axis.plot(self.distances, self.frequencies, color="#1b6ca8", lw=1.0)
        axis.axhline(0.0, color="#999999", lw=0.8)
        places, names = zip(*self.labels, strict=True)
        axis.set_xticks(places, [name.replace("G", "Γ") for name in names])
        axis.set(ylabel="frequency, THz", title="phonons (imaginary below zero)", xlim=(0.0, self.distances[-1]))
        tidy(axis)


def phonons(
    atoms: Atoms,
    calculator: Calculator,
    *,
    shortest: float = 20.0,
    max_atoms: int = 2000,
    displacement: float = 0.01,
    n_points: int = 150,
) -> Phonons:
    """Displace each atom of the primitive cell in a supercell, and diagonalize.

    Parameters
    ----------
    atoms : ase.Atoms
        Any cell of the crystal.
    calculator : ase.calculators.calculator.Calculator
    shortest : float, A
        Least distance between opposite faces of the supercell. Four times the cutoff makes the force constants of a
        model without messages exact; wave vectors of the grid are exact with any.
    max_atoms : int
        The supercell is made smaller where it would have more.
    displacement : float, A
    n_points : int
        Along the path.

    Raises
    ------
    PropertyError
        The crystal does not relax.

    Examples
    --------
    >>> import mlpot
    >>> from ase.build import bulk
    >>> calculator = mlpot.load("Si-dft/fast", precision="double")
    >>> result = phonons(bulk("Si"), calculator, shortest=9.0)
    >>> round(result.highest, 1)  # THz
    14.5
    """
    primitive = primitive_cell(relaxed_crystal(atoms, calculator))
    times = _odd_repeats(primitive, shortest, max_atoms)
    with tempfile.TemporaryDirectory() as folder:
        modes = Displacements(primitive, calculator, supercell=times, name=f"{folder}/cache", delta=displacement)
        modes.run()
        modes.read(acoustic=True)
    path = primitive.cell.bandpath(npoints=n_points)
    distances, places, names = path.get_linear_kpoint_axis()
    grid = monkhorst_pack(times)[: np.prod(times) // 2 + 1]  # the other half is the same by time reversal
    points = np.vstack([path.kpts, grid])
    frequencies = THZ * modes.band_structure(points, verbose=False)
    on_grid = frequencies[len(path.kpts) :]
    return Phonons(
        supercell=times,
        n_atoms=len(primitive) * int(np.prod(times)),
        distances=distances,
        frequencies=frequencies[: len(path.kpts)],
        labels=_merged(places, names),
        lowest=float(frequencies.min()),
        lowest_at=points[frequencies.min(axis=1).argmin()],
        highest=float(frequencies.max()),
        n_imaginary=int((on_grid < -TOLERANCE).sum()),
        n_modes=on_grid.size,
    )


def _odd_repeats(primitive: Atoms, shortest: float, max_atoms: int) -> tuple[int, int, int]:
    """Odd numbers: an atom then has one nearest image of each other, never two at the same distance."""
    x, y, z = (n + 1 - n % 2 for n in repeats(primitive, shortest))
    while len(primitive) * x * y * z > max_atoms and max(x, y, z) > 1:
        x, y, z = (max(1, n - 2) if n == max(x, y, z) else n for n in (x, y, z))
    return x, y, z


def _merged(places: FloatArray, names: Sequence[str]) -> tuple[tuple[float, str], ...]:
    """Labels of the path; where it jumps, two of them share a place."""
    merged: dict[float, str] = {}
    for place, name in zip(np.round(places, 9).tolist(), names, strict=True):
        merged[place] = f"{merged[place]}|{name}" if place in merged else name
    return tuple(merged.items())
