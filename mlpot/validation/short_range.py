"""Holes at short distances: dimers of all pairs of elements, trimers of all triples, crystals under compression."""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import combinations_with_replacement

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from matplotlib.axes import Axes

from mlpot.neighbors.matscipy import FloatArray
from mlpot.properties.short_range import (
    CompressionScan,
    DimerScan,
    TrimerScan,
    compression_scan,
    contact,
    dimer_scan,
    trimer_scan,
)
from mlpot.validation.result import CheckResult, OnProgress, passed_or_failed
from mlpot.validation.smoothness import ROUGHNESS, Roughness, roughness_of

CORE = 0.55
"""Atoms must repel below this fraction of the covalent contact; the shortest bond known, of Cr2, is at 0.6."""

WALL = 5.0
"""Two atoms at 0.3 A must lie at least this high (eV) above free ones."""

STRONGEST_BOND = 12.0
"""No two atoms are bound by more (eV); CO, the strongest, by 11.1."""

GRIDS = 6
"""Grids become coarser with more triples than this."""


def check_dimers(
    calculator: Calculator,
    symbols: Sequence[str],
    cutoff: float,
    crystals: Mapping[str, float],
    progress: OnProgress,
) -> CheckResult:
    """Two atoms of every pair of elements, from 0.3 A to the cutoff.

    Parameters
    ----------
    calculator : ase.calculators.calculator.Calculator
    symbols : sequence of str
    cutoff : float, A
    crystals : mapping of str to float, eV/atom
        Cohesive energies of elements: a dimer cannot be bound by more for each atom.
    progress : callable

    Returns
    -------
    CheckResult
    """
    pairs = list(combinations_with_replacement(symbols, 2))
    problems, numbers, scans = [], {}, []
    for done, (first, second) in enumerate(pairs):
        scan = dimer_scan(first, second, calculator, cutoff=cutoff)
        roughness = roughness_of(scan, calculator)
        deepest = min(STRONGEST_BOND, 2 * crystals[first] if first == second and first in crystals else np.inf)
        problems += [f"{first}-{second} {text}" for text in _dimer_problems(scan, roughness, deepest)]
        numbers[f"{first}-{second}"] = {
            "depth_eV": scan.depth,
            "bond_length_A": scan.bond_length,
            "wall_eV": float(scan.energies[0]),
            "minima_A": scan.distances[_minima(scan.energies)].tolist(),
            "step": roughness.step,
            "mismatch": roughness.mismatch,
        }
        scans.append(scan)
        progress((done + 1) / len(pairs))
    summary = f"{len(pairs)} pairs: smooth, repulsive below {CORE} of the covalent contact, bound by " + _range(
        [scan.depth for scan in scans], "eV"
    )
    return passed_or_failed(problems, summary, numbers, partial(_overlay, scans))


def _dimer_problems(scan: DimerScan, roughness: Roughness, deepest: float) -> list[str]:
    bad = ~np.isfinite(scan.energies)
    if bad.any():
        return [f"is not finite at {scan.distances[bad][0]:.2f} A and {bad.sum() - 1} other distances"]
    problems = []
    core = scan.distances < CORE * contact(*scan.symbols)
    pulled = scan.distances[core & (scan.forces <= 0)]
    if len(pulled):
        problems.append(f"attracts at {pulled.min():.2f}-{pulled.max():.2f} A")
    if scan.energies[0] < WALL:
        problems.append(
            f"at {scan.distances[0]:.1f} A lies at {scan.energies[0]:.2f} eV, no barrier ({WALL:g} eV needed)"
        )
    if scan.depth > deepest:
        problems.append(
            f"is bound by {scan.depth:.2f} eV at {scan.bond_length:.2f} A, at most {deepest:.2f} is possible"
        )
    if roughness.step > ROUGHNESS:
        problems.append(f"has a step of {roughness.step:.1e} in energy or force at {roughness.step_at:.2f} A")
    elif roughness.mismatch > ROUGHNESS:
        problems.append(
            f"has a force that is not the slope of the energy (off by {roughness.mismatch:.1e} of its size)"
        )
    return problems


def _minima(energies: FloatArray) -> FloatArray:
    """Return the indices of the minima of a curve, without ripples below 1 meV."""
    inner = energies[1:-1]
    places = 1 + np.flatnonzero((inner < energies[:-2]) & (inner <= energies[2:]) & (inner < -1e-3))
    return np.asarray(places)


def check_trimers(
    calculator: Calculator,
    symbols: Sequence[str],
    cutoff: float,
    crystals: Mapping[str, float],
    progress: OnProgress,
) -> CheckResult:
    """Two atoms around a third, for every triple of elements.

    Parameters
    ----------
    calculator, symbols, cutoff, crystals, progress
        As of `check_dimers`.

    Returns
    -------
    CheckResult
    """
    triples = [(center, *pair) for center in symbols for pair in combinations_with_replacement(symbols, 2)]
    problems, numbers, scans = [], {}, []
    n_distances = max(8, min(16, round(16 * (GRIDS / len(triples)) ** 0.5)))
    for done, triple in enumerate(triples):
        scan = trimer_scan(triple, calculator, cutoff=cutoff, n_distances=n_distances)
        deepest = 1.5 * STRONGEST_BOND
        if len(set(triple)) == 1 and triple[0] in crystals:
            deepest = min(deepest, 3 * crystals[triple[0]])
        found, values = _trimer_problems(scan, deepest)
        problems += [f"{'-'.join(triple)} {text}" for text in found]
        numbers["-".join(triple)] = values
        scans.append(scan)
        progress((done + 1) / len(triples))
    n_points = sum(scan.energies.size for scan in scans)
    summary = f"{len(triples)} triples, {n_points} geometries: squeezed ones lie high, bound by " + _range(
        [values["depth_eV"] for values in numbers.values()], "eV"
    )
    return passed_or_failed(problems, summary, numbers, partial(_overlay, scans))


def _trimer_problems(scan: TrimerScan, deepest: float) -> tuple[list[str], dict[str, float]]:
    problems = []
    bad = ~np.isfinite(scan.energies)
    energies = np.where(bad, np.inf, scan.energies)
    core = scan.closeness < CORE
    values = {"depth_eV": float(-energies[~core].min()), "core_eV": float(energies[core].min())}
    if bad.any():
        problems.append(f"is not finite in {bad.sum()} of {bad.size} geometries")
    if values["depth_eV"] > deepest:
        problems.append(f"is bound by {values['depth_eV']:.2f} eV, at most {deepest:.2f} is possible")
    if values["core_eV"] < min(0.0, -0.5 * values["depth_eV"]):
        problems.append(f"has a hole: {values['core_eV']:.2f} eV with atoms closer than {CORE} of their contact")
    return problems, values


def check_compression(crystal: Atoms, calculator: Calculator, progress: OnProgress) -> CheckResult:
    """Squeeze a crystal from 130 % to 25 % of its volume; the energy must rise on both sides.

    Parameters
    ----------
    crystal : ase.Atoms
        Relaxed.
    calculator : ase.calculators.calculator.Calculator
    progress : callable

    Returns
    -------
    CheckResult
    """
    scan = compression_scan(crystal, calculator)
    progress(1.0)
    problems = _compression_problems(scan)
    numbers = {"ratios": scan.ratios, "energies_eV_per_atom": scan.energies, "pressures_GPa": scan.pressures}
    height = scan.energies[-1] - scan.energies.min()
    summary = (
        f"energy rises from the equilibrium to 130 % of the volume, and to {height:.1f} eV/atom "
        f"({scan.pressures[-1]:.0f} GPa) at a quarter of it"
    )
    return passed_or_failed(problems, summary, numbers, scan.plot)


def _compression_problems(scan: CompressionScan) -> list[str]:
    bad = ~np.isfinite(scan.energies)
    if bad.any():
        return [f"the energy is not finite at {scan.ratios[bad].max():.2f} of the volume"]
    rise = np.diff(scan.energies)
    before, after = scan.ratios[:-1], scan.ratios[1:]
    falling = (after < 0.97) & (before < 1.0) & (rise <= 0)
    problems = []
    if falling.any():
        where = before[falling]
        problems.append(
            f"the energy falls under compression between {where.max():.2f} and {after[falling].min():.2f} of the "
            f"volume, by {-rise[falling].sum():.3f} eV/atom"
        )
    if ((before > 1.03) & (after > 1.0) & (rise >= 0)).any():
        problems.append("the energy falls when the crystal is expanded")
    return problems


def _overlay(scans: Sequence[DimerScan | TrimerScan], axis: Axes) -> None:
    for scan in scans:
        scan.plot(axis)
    if len(scans) > 12:
        axis.get_legend().remove()  # type: ignore[union-attr]


def _range(values: Sequence[float], unit: str) -> str:
    low, high = min(values), max(values)
    return f"{low:.2f} {unit}" if len(values) == 1 else f"{low:.2f} to {high:.2f} {unit}"
