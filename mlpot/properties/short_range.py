"""Energies where atoms are close: dimers, trimers, and a crystal under compression.

These are the scans in which the holes of a potential show first. Energies of clusters count from the free atoms, that
of the crystal from nothing. Where the calculator refuses to answer, because its result is not finite, the scan has NaN.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator
from ase.data import atomic_numbers, covalent_radii
from matplotlib.axes import Axes

from mlpot.errors import MLPotError
from mlpot.neighbors.matscipy import FloatArray
from mlpot.plotting import tidy
from mlpot.properties.rows import Row

CLOSEST = 0.3
"""Where the scans of clusters begin (A)."""


def contact(first: str, second: str) -> float:
    """Sum of the covalent radii of two elements.

    Parameters
    ----------
    first, second : str
        Symbols.

    Returns
    -------
    float, A
    """
    return float(covalent_radii[atomic_numbers[first]] + covalent_radii[atomic_numbers[second]])


@dataclass(frozen=True)
class DimerScan:
    """Two atoms from `CLOSEST` to the cutoff.

    Attributes
    ----------
    symbols : (str, str)
    distances : (n,), A
    energies : (n,), eV
        Minus those of the free atoms.
    forces : (n,), eV/A
        On the second atom, away from the first: positive is repulsive.
    """

    symbols: tuple[str, str]
    distances: FloatArray
    energies: FloatArray
    forces: FloatArray

    @property
    def depth(self) -> float:
        """Binding energy (eV) of the deepest point; negative where nothing binds."""
        return float(-np.nanmin(self.energies)) if np.isfinite(self.energies).any() else float("nan")

    @property
    def bond_length(self) -> float:
        """Distance (A) of the deepest point."""
        return float(self.distances[np.nanargmin(self.energies)]) if np.isfinite(self.energies).any() else float("nan")

    def rows(self) -> list[Row]:
        """Lines of a table."""
        name = "-".join(self.symbols)
        bound = self.depth > 1e-3
        value = f"{self.depth:.3f} at {self.bond_length:.2f} A" if bound else "not bound"
        return [Row(f"dimer {name}, binding energy", value, "eV")]

    def plot(self, axis: Axes) -> None:
        """Draw energy against distance; far above zero the scale is logarithmic."""
        axis.plot(self.distances, self.energies, lw=1.2, label="-".join(self.symbols))
        axis.set_yscale("asinh", linear_width=2.0)
        axis.axhline(0.0, color="#999999", lw=0.8)
        axis.set(xlabel="distance, Å", ylabel="energy, eV", title="dimers")
        axis.legend(frameon=False, ncols=2, fontsize=8)
        tidy(axis)


@dataclass(frozen=True)
class TrimerScan:
    """Two neighbors around a center, on a grid of distances and angles.

    Attributes
    ----------
    symbols : (str, str, str)
        The center first.
    angles : (n_angles,), degrees
    distances : (n_distances,), A
    energies : (n_angles, n_distances, n_distances), eV
        Minus those of the free atoms; axes: angle, first and second distance.
    closeness : (n_angles, n_distances, n_distances)
        Smallest of the three distances, each over the sum of the covalent radii.
    """

    symbols: tuple[str, str, str]
    angles: FloatArray
    distances: FloatArray
    energies: FloatArray
    closeness: FloatArray

    def plot(self, axis: Axes) -> None:
        """Draw all energies against the smallest distance."""
        axis.plot(self.closeness.ravel(), self.energies.ravel(), ".", ms=2, alpha=0.5, label="-".join(self.symbols))
        axis.set_yscale("asinh", linear_width=2.0)
        axis.axhline(0.0, color="#999999", lw=0.8)
        axis.set(xlabel="smallest distance / covalent contact", ylabel="energy, eV", title="trimers")
        axis.legend(frameon=False, ncols=2, fontsize=8)
        tidy(axis)


@dataclass(frozen=True)
class CompressionScan:
    """A crystal, its atoms at fixed places in the cell, from expanded to a quarter of its volume.

    Attributes
    ----------
    ratios : (n,)
        Volumes, of that given; falling.
    energies : (n,), eV/atom
    pressures : (n,), GPa
    """

    ratios: FloatArray
    energies: FloatArray
    pressures: FloatArray

    def plot(self, axis: Axes) -> None:
        """Draw energy against volume; far above the minimum the scale is logarithmic."""
        axis.plot(self.ratios, self.energies - np.nanmin(self.energies), color="#1b6ca8", lw=1.4)
        axis.set_yscale("asinh", linear_width=0.5)
        axis.set(xlabel="volume / equilibrium volume", ylabel="energy above the minimum, eV/atom", title="compression")
        tidy(axis)


def dimer_scan(
    first: str,
    second: str,
    calculator: Calculator,
    *,
    cutoff: float,
    spacing: float = 0.02,
) -> DimerScan:
    """Pull two atoms apart.

    Parameters
    ----------
    first, second : str
        Symbols.
    calculator : ase.calculators.calculator.Calculator
    cutoff : float, A
        Where the scan ends.
    spacing : float, A

    Examples
    --------
    >>> import mlpot
    >>> scan = dimer_scan("Si", "Si", mlpot.load("Si-dft/fast", precision="double"), cutoff=5.0)
    >>> round(scan.depth, 2), round(scan.bond_length, 2)  # eV, A
    (3.33, 2.24)
    """
    distances = np.linspace(CLOSEST, cutoff, round((cutoff - CLOSEST) / spacing) + 1)
    free = free_energies((first, second), calculator)
    results = [energy_and_force(first, second, distance, calculator) for distance in distances]
    energies, forces = np.array(results).T
    return DimerScan((first, second), distances, energies - sum(free), forces)


def energy_and_force(
    first: str,
    second: str,
    distance: float,
    calculator: Calculator,
) -> tuple[float, float]:
    """Energy of a dimer, and the force on its second atom.

    Parameters
    ----------
    first, second : str
        Symbols.
    distance : float, A
    calculator : ase.calculators.calculator.Calculator

    Returns
    -------
    energy : float, eV
    force : float, eV/A
        Positive is repulsive. NaN, like the energy, where the calculator refuses.
    """
    atoms = Atoms([first, second], [[0.0, 0.0, 0.0], [distance, 0.0, 0.0]], calculator=calculator)
    try:
        return float(atoms.get_potential_energy()), float(atoms.get_forces()[1, 0])
    except MLPotError:
        return float("nan"), float("nan")


def trimer_scan(
    symbols: tuple[str, str, str],
    calculator: Calculator,
    *,
    cutoff: float,
    n_distances: int = 16,
    angles: Sequence[float] = (30.0, 45.0, 60.0, 75.0, 90.0, 105.0, 120.0, 150.0, 180.0),
) -> TrimerScan:
    """Put two atoms around a third.

    Parameters
    ----------
    symbols : (str, str, str)
        The center first.
    calculator : ase.calculators.calculator.Calculator
    cutoff : float, A
        Largest distance from the center.
    n_distances : int
    angles : sequence of float, degrees

    Examples
    --------
    >>> import mlpot
    >>> scan = trimer_scan(("Si", "Si", "Si"), mlpot.load("Si-dft/fast"), cutoff=5.0, n_distances=4)
    >>> scan.energies.shape
    (9, 4, 4)
    """
    distances = np.geomspace(CLOSEST, cutoff, n_distances)
    free = sum(free_energies(symbols, calculator))
    shape = (len(angles), n_distances, n_distances)
    energies, closeness = np.full(shape, np.nan), np.zeros(shape)
    contacts = [contact(symbols[i], symbols[j]) for i, j in ((0, 1), (0, 2), (1, 2))]
    for a, i, j in np.ndindex(shape):
        if symbols[1] == symbols[2] and j < i:  # the mirror image of one before
            energies[a, i, j], closeness[a, i, j] = energies[a, j, i], closeness[a, j, i]
            continue
        atoms = _trimer(symbols, distances[i], distances[j], np.deg2rad(angles[a]))
        atoms.calc = calculator
        closeness[a, i, j] = (atoms.get_all_distances()[np.triu_indices(3, 1)] / contacts).min()
        try:
            energies[a, i, j] = atoms.get_potential_energy() - free
        except MLPotError:
            continue  # stays NaN
    return TrimerScan(symbols, np.array(angles), distances, energies, closeness)


def compression_scan(
    crystal: Atoms,
    calculator: Calculator,
    *,
    largest: float = 1.3,
    smallest: float = 0.25,
    n_volumes: int = 80,
) -> CompressionScan:
    """Compress a crystal without moving its atoms in the cell.

    Parameters
    ----------
    crystal : ase.Atoms
        Periodic in three directions.
    calculator : ase.calculators.calculator.Calculator
        With stress.
    largest, smallest : float
        Volumes, of that of `crystal`.
    n_volumes : int

    Examples
    --------
    >>> import mlpot
    >>> from ase.build import bulk
    >>> calculator = mlpot.load("Si-dft/fast", precision="double")
    >>> scan = compression_scan(bulk("Si", a=5.47), calculator, n_volumes=22)
    >>> bool((scan.energies[7:] > scan.energies[6]).all())  # rises from 100 % to 25 % of the volume
    True
    """
    ratios = np.linspace(largest, smallest, n_volumes)
    results = []
    for ratio in ratios:
        atoms = Atoms(crystal.numbers, crystal.positions, cell=crystal.cell.array, pbc=True, calculator=calculator)
        atoms.set_cell(crystal.cell * ratio ** (1 / 3), scale_atoms=True)
        try:
            pressure = -atoms.get_stress()[:3].mean() / units.GPa
            results.append((atoms.get_potential_energy() / len(atoms), pressure))
        except MLPotError:
            results.append((np.nan, np.nan))
    energies, pressures = np.array(results).T
    return CompressionScan(ratios, energies, pressures)


def free_energies(symbols: Sequence[str], calculator: Calculator) -> list[float]:
    """Energies of atoms alone.

    Parameters
    ----------
    symbols : sequence of str
    calculator : ase.calculators.calculator.Calculator

    Returns
    -------
    list of float, eV
    """
    return [float(Atoms(symbol, calculator=calculator).get_potential_energy()) for symbol in symbols]


def _trimer(symbols: tuple[str, str, str], first: float, second: float, angle: float) -> Atoms:
    places = [[0.0, 0.0, 0.0], [first, 0.0, 0.0], [second * np.cos(angle), second * np.sin(angle), 0.0]]
    return Atoms(list(symbols), places)
