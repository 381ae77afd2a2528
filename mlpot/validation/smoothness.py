"""Smoothness of the energy and force of a dimer, and agreement of the force with the slope of the energy."""

from typing import NamedTuple

import numpy as np
from ase.calculators.calculator import Calculator

from mlpot.neighbors.matscipy import FloatArray
from mlpot.properties.short_range import DimerScan, energy_and_force

WORST = 10
"""Number of intervals of a dimer curve that are searched for a step."""

HALVINGS = 24
"""Down to 1e-9 A, over which no smooth force changes by more than 1e-6 of itself."""

ROUGHNESS = 1e-4
"""Largest step and mismatch of a smooth dimer curve."""


class Roughness(NamedTuple):
    """Deviations of a dimer curve from a smooth one.

    Attributes
    ----------
    step : float, eV or eV/A
        Change of energy or force over an interval that shrinks to zero; relative to its magnitude where that is
        above 1.
    step_at : float, A
        Where.
    mismatch : float
        Disagreement of energy differences with the integral of the force, relative to the force where that is above
        1 eV/A.
    """

    step: float
    step_at: float
    mismatch: float


def roughness_of(scan: DimerScan, calculator: Calculator) -> Roughness:
    """Search for steps in the intervals with the largest errors of Simpson's rule, exact to 1e-6 on a smooth curve.

    Parameters
    ----------
    scan : DimerScan
    calculator : ase.calculators.calculator.Calculator
        The one that made it.

    Returns
    -------
    Roughness
    """
    errors = _simpson_errors(scan.symbols, scan.distances, calculator)
    step, step_at = 0.0, float("nan")
    for k in np.argsort(-errors)[:WORST]:
        found = max(_step(scan, k, quantity, calculator) for quantity in (0, 1))
        if found > step:
            step, step_at = found, float(scan.distances[k])
    for k in np.flatnonzero(errors > ROUGHNESS):  # steep, or a kink: that shrinks with the pieces
        pieces = np.linspace(scan.distances[k], scan.distances[k + 1], 33)
        errors[k] = _simpson_errors(scan.symbols, pieces, calculator).max()
    return Roughness(step, step_at, float(errors.max()))


def _step(scan: DimerScan, k: int, quantity: int, calculator: Calculator) -> float:
    """Bisect interval `k`, keeping the half with the larger change of energy (0) or force (1)."""
    low, high = scan.distances[k], scan.distances[k + 1]
    at_low, at_high = (energy_and_force(*scan.symbols, end, calculator)[quantity] for end in (low, high))
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        at_middle = energy_and_force(*scan.symbols, middle, calculator)[quantity]
        if abs(at_middle - at_low) > abs(at_high - at_middle):
            high, at_high = middle, at_middle
        else:
            low, at_low = middle, at_middle
    return float(abs(at_high - at_low) / max(1.0, abs(at_low), abs(at_high)))


def _simpson_errors(symbols: tuple[str, str], ends: FloatArray, calculator: Calculator) -> FloatArray:
    """Disagreement for each interval."""
    middles = 0.5 * (ends[1:] + ends[:-1])
    energies, forces = np.array([energy_and_force(*symbols, distance, calculator) for distance in ends]).T
    between = np.array([energy_and_force(*symbols, distance, calculator)[1] for distance in middles])
    work = (forces[:-1] + 4 * between + forces[1:]) / 6
    size = np.maximum(1.0, np.maximum(np.abs(forces[1:]), np.abs(forces[:-1])))
    return np.asarray(np.abs(np.diff(energies) / np.diff(ends) + work) / size)
