"""Forces and stress against finite differences of the energy; symmetries of the energy."""

from collections.abc import Mapping

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.stress import voigt_6_to_full_3x3_stress
from matplotlib.axes import Axes

from mlpot.neighbors.matscipy import FloatArray
from mlpot.plotting import tidy
from mlpot.validation.result import CheckResult, OnProgress, passed_or_failed
from mlpot.validation.samples import scaled

TOLERANCE = 1e-6
"""Relative deviation of a derivative from finite differences; below 1 eV/A and 1 eV of virial, absolute."""

EXACT = 1e-9
"""Relative deviation under a symmetry operation, of rounding only."""

STENCIL = ((-2, 1 / 12), (-1, -8 / 12), (1, 8 / 12), (2, -1 / 12))
"""Steps and weights of a central difference of fourth order."""

DISPLACEMENT = 2e-4
"""A; the energy of a random structure can change its curvature within 0.01 A."""

STRAIN = 5e-5
MOST_ATOMS = 20


def check_derivatives(structures: Mapping[str, Atoms], calculator: Calculator, progress: OnProgress) -> CheckResult:
    """Compare each force component, and the virial of periodic structures, with energies of displaced atoms.

    Parameters
    ----------
    structures : mapping of str to ase.Atoms
    calculator : ase.calculators.calculator.Calculator
        In float64.
    progress : callable

    Returns
    -------
    CheckResult
    """
    problems, numbers, points = [], {}, []
    for done, (name, atoms) in enumerate(structures.items()):
        pairs = {"forces": force_pairs(atoms, calculator)}
        if atoms.pbc.all():
            pairs["virial"] = virial_pairs(atoms, calculator)
        for kind, (given, expected) in pairs.items():
            deviation = float(np.abs(given - expected).max() / max(1.0, np.abs(expected).max()))
            numbers[f"{name}_{kind}"] = deviation
            points.append((kind, given.ravel(), expected.ravel()))
            if not deviation < TOLERANCE:
                problems.append(
                    f"{kind} of {name} differ from finite differences of the energy by {deviation:.1e} (relative)"
                )
        progress((done + 1) / len(structures))
    summary = f"forces and stress are the derivatives of the energy, to {max(numbers.values()):.0e}"
    return passed_or_failed(problems, summary, numbers, lambda axis: _plot_derivatives(points, axis))


def force_pairs(atoms: Atoms, calculator: Calculator) -> tuple[FloatArray, FloatArray]:
    """Take forces from the calculator and from finite differences.

    Parameters
    ----------
    atoms : ase.Atoms
    calculator : ase.calculators.calculator.Calculator

    Returns
    -------
    given, expected : (n, 3), eV/A
        Of `MOST_ATOMS` random atoms, or of all where they are fewer.
    """
    atoms = atoms.copy()
    atoms.calc = calculator
    rows = np.random.default_rng(0).permutation(len(atoms))[:MOST_ATOMS]
    given = atoms.get_forces()[rows]
    start, expected = atoms.positions.copy(), np.zeros_like(given)
    for row, axis in np.ndindex(given.shape):
        index = (rows[row], axis)
        for step, weight in STENCIL:
            atoms.positions[index] = start[index] + step * DISPLACEMENT
            expected[row, axis] -= weight * atoms.get_potential_energy() / DISPLACEMENT
        atoms.positions[index] = start[index]
    return given, expected


def virial_pairs(atoms: Atoms, calculator: Calculator) -> tuple[FloatArray, FloatArray]:
    """Take the virial from the calculator's stress and from finite strains.

    Parameters
    ----------
    atoms : ase.Atoms
        Periodic in three directions.
    calculator : ase.calculators.calculator.Calculator

    Returns
    -------
    given, expected : (3, 3), eV
    """
    atoms = atoms.copy()
    atoms.calc = calculator
    given = -atoms.get_volume() * voigt_6_to_full_3x3_stress(atoms.get_stress())
    cell, places = atoms.cell.array.copy(), atoms.get_scaled_positions(wrap=False)
    expected = np.zeros((3, 3))
    for row, column in np.ndindex(3, 3):
        for step, weight in STENCIL:
            strain = np.eye(3)
            strain[row, column] += 0.5 * step * STRAIN
            strain[column, row] += 0.5 * step * STRAIN
            atoms.set_cell(cell @ strain)
            atoms.set_scaled_positions(places)
            expected[row, column] -= weight * atoms.get_potential_energy() / STRAIN
    return given, expected


def check_symmetries(structures: Mapping[str, Atoms], calculator: Calculator, progress: OnProgress) -> CheckResult:
    """Check invariance of energies and equivariance of forces under all symmetry operations.

    Parameters
    ----------
    structures : mapping of str to ase.Atoms
    calculator : ase.calculators.calculator.Calculator
    progress : callable

    Returns
    -------
    CheckResult
    """
    numbers: dict[str, float] = {}
    for done, (name, atoms) in enumerate(structures.items()):
        for operation, deviation in _deviations(atoms, calculator, np.random.default_rng(done)).items():
            numbers[f"{name}_{operation}"] = deviation
        progress((done + 1) / len(structures))
    problems = [
        f"{name.replace('_', ': ')} changes energy or forces by {value:.1e} (relative)"
        for name, value in numbers.items()
        if not value < EXACT
    ]
    summary = (
        "energy and forces follow rotation, inversion, translation, permutation and repetition, "
        f"to {max(numbers.values()):.0e}"
    )
    return passed_or_failed(problems, summary, numbers)


def _deviations(atoms: Atoms, calculator: Calculator, rng: np.random.Generator) -> dict[str, float]:
    """Largest relative deviation of energy per atom or forces from the transformed ones, by operation."""
    energy, forces = _evaluate(atoms, calculator)
    rotation = _random_rotation(rng)
    moved, everything = atoms.copy(), np.arange(len(atoms))
    order = np.roll(everything, 1)
    moved.positions += rng.normal(size=3)
    if atoms.pbc.any():
        moved.positions += (rng.integers(-2, 3, (len(atoms), 3)) * atoms.pbc) @ atoms.cell.array
    cases = {
        "rotation": (_rotated(atoms, rotation), rotation, everything),
        "rotation with inversion": (_rotated(atoms, -rotation), -rotation, everything),
        "translation": (moved, np.eye(3), everything),
        "permutation": (atoms[order], np.eye(3), order),
    }
    if atoms.pbc.all():
        cases["repetition"] = (atoms.repeat((2, 1, 1)), np.eye(3), np.concatenate([everything, everything]))
    size = max(1.0, float(np.abs(forces).max()))
    found = {}
    for name, (changed, matrix, numbering) in cases.items():
        new_energy, new_forces = _evaluate(changed, calculator)
        off = np.abs(new_forces - (forces @ matrix.T)[numbering]).max() / size
        found[name] = float(max(off, abs(new_energy - energy) / max(1.0, abs(energy))))
    return found


def _evaluate(atoms: Atoms, calculator: Calculator) -> tuple[float, FloatArray]:
    """Energy (eV/atom) and forces (eV/A)."""
    atoms = atoms.copy()
    atoms.calc = calculator
    return float(atoms.get_potential_energy() / len(atoms)), atoms.get_forces().copy()


def _rotated(atoms: Atoms, matrix: FloatArray) -> Atoms:
    rotated = scaled(atoms, 1.0)
    rotated.set_cell(atoms.cell.array @ matrix.T)
    rotated.positions = atoms.positions @ matrix.T
    return rotated


def _random_rotation(rng: np.random.Generator) -> FloatArray:
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return np.asarray(q * np.sign(np.linalg.det(q)))


def _plot_derivatives(points: list[tuple[str, FloatArray, FloatArray]], axis: Axes) -> None:
    colors = {"forces": "#c8553d", "virial": "#3a7d44"}
    for kind, given, expected in points:
        size = max(1.0, float(np.abs(expected).max()))
        error = np.maximum(np.abs(given - expected) / size, 1e-16)
        axis.plot(np.abs(expected), error, ".", ms=4, alpha=0.6, color=colors[kind])
    axis.axhline(TOLERANCE, color="#999999", lw=1.0, ls="--")
    axis.set(
        xscale="log", yscale="log", xlabel="|force|, eV/Å (red); |virial|, eV (green)", ylabel="relative deviation"
    )
    axis.set_title("derivatives against finite differences")
    tidy(axis)
