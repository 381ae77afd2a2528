"""Holes away from the crystal: rattled structures of growing amplitude, random structure search."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.filters import UnitCellFilter
from ase.optimize import FIRE, LBFGS
from ase.optimize.optimize import Optimizer
from matplotlib.axes import Axes

from mlpot.errors import MLPotError
from mlpot.neighbors.matscipy import FloatArray
from mlpot.plotting import tidy
from mlpot.properties.short_range import contact
from mlpot.validation.result import CheckResult, OnProgress, passed_or_failed
from mlpot.validation.samples import closeness, enlarged, rattled, scaled, scattered
from mlpot.validation.short_range import CORE

AMPLITUDES = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4)
"""Standard deviation of the displacements, over the mean covalent contact."""

STILL_IN_PLACE = 0.15
"""Up to this amplitude atoms do not pass each other, and the energy must rise."""

VOLUMES = (1.2, 1.0, 0.85, 0.7, 0.55, 0.4)
"""Of that of the crystal."""

COLLAPSED = 0.05
"""A relaxation ends where the volume falls below this fraction of that of the crystal."""

BELOW = 0.02
"""A structure that lies lower than this (eV/atom) below the given one is a hole."""


def check_rattles(atoms: Atoms, calculator: Calculator, progress: OnProgress, *, n_samples: int = 10) -> CheckResult:
    """Displace atoms with growing amplitude at several volumes: energies must rise, none may lie below the crystal.

    Parameters
    ----------
    atoms : ase.Atoms
        Relaxed crystal or molecule.
    calculator : ase.calculators.calculator.Calculator
    progress : callable
    n_samples : int
        Directions for each volume.

    Returns
    -------
    CheckResult
    """
    base = enlarged(atoms, 8)
    base.calc = calculator
    ground_energy = base.get_potential_energy() / len(base)
    length = float(np.mean([contact(symbol, symbol) for symbol in base.symbols]))
    energies = np.full((len(VOLUMES), len(AMPLITUDES), n_samples), np.nan)
    low = []
    for k, i, j in np.ndindex(n_samples, len(VOLUMES), len(AMPLITUDES)):
        # The same directions for every amplitude: each sample is a ray along which the energy must rise.
        sample = rattled(scaled(base, VOLUMES[i]), AMPLITUDES[j] * length, np.random.default_rng(k))
        energies[i, j, k] = _energy(sample, calculator) - ground_energy
        if not energies[i, j, k] > -BELOW:
            low.append(sample)
        progress((k + 1) / n_samples)
    numbers = {"volumes": VOLUMES, "amplitudes": AMPLITUDES, "length_A": length, "energies_eV_per_atom": energies}
    lowest = float(np.nanmin(energies))
    summary = (
        f"{energies.size} structures, displaced by up to {AMPLITUDES[-1] * length:.2f} A, volumes of {VOLUMES[-1]} to "
        f"{VOLUMES[0]}: the lowest lies "
        f"{1e3 * lowest:.0f} meV/atom above the relaxed one"
    )
    return passed_or_failed(
        _rattle_problems(energies), summary, numbers, partial(_plot_rattles, energies), structures=low
    )


def _rattle_problems(energies: FloatArray) -> list[str]:
    """Energies (volumes, amplitudes, samples) above the relaxed structure, eV/atom."""
    problems = []
    if bad := int((~np.isfinite(energies)).sum()):
        problems.append(f"the energy is not finite in {bad} of {energies.size} rattled structures")
    lowest = np.unravel_index(np.nanargmin(energies), energies.shape)
    if energies[lowest] < -BELOW:
        problems.append(
            f"a structure rattled by {AMPLITUDES[lowest[1]]} of contact at {VOLUMES[lowest[0]]} of the volume lies "
            f"{-energies[lowest]:.3f} eV/atom below the relaxed one"
        )
    mean = np.nanmean(energies[VOLUMES.index(1.0)], axis=1)
    falls = np.flatnonzero((np.diff(mean) <= 0) & (np.array(AMPLITUDES[1:]) <= STILL_IN_PLACE))
    if len(falls):
        a, b = AMPLITUDES[falls[0]], AMPLITUDES[falls[0] + 1]
        problems.append(f"the mean energy falls when displacements grow from {a} to {b} of contact")
    return problems


def _plot_rattles(energies: FloatArray, axis: Axes) -> None:
    for volume, rows in zip(VOLUMES, energies, strict=True):
        (line,) = axis.plot(AMPLITUDES, rows.mean(axis=1), lw=1.4, label=f"{volume} V")
        axis.fill_between(AMPLITUDES, rows.min(axis=1), rows.max(axis=1), color=line.get_color(), alpha=0.15, lw=0)
    axis.axhline(0.0, color="#999999", lw=0.8)
    axis.set_yscale("asinh", linear_width=0.5)
    axis.set(xlabel="displacement / covalent contact", ylabel="energy above the relaxed, eV/atom", title="rattles")
    axis.legend(frameon=False, fontsize=8, ncols=2)
    tidy(axis)


def check_random_structures(
    crystal: Atoms,
    calculator: Calculator,
    progress: OnProgress,
    *,
    n_structures: int = 300,
    steps: int = 1000,
) -> CheckResult:
    """Random structure search: no relaxed structure may lie below the crystal or have overlapping atoms.

    Parameters
    ----------
    crystal : ase.Atoms
        Relaxed, and the most stable one of its composition.
    calculator : ase.calculators.calculator.Calculator
    progress : callable
    n_structures : int
    steps : int
        Limit for each optimizer in each relaxation of atoms and cell; most need fewer than 100, those that start from
        overlapping atoms more.

    Returns
    -------
    CheckResult
    """
    base = crystal.copy()
    base.calc = calculator
    ground_energy = base.get_potential_energy() / len(base)
    ends, problems, low = [], [], []
    for k in range(n_structures):
        atoms = _random_structure(crystal, np.random.default_rng(k))
        atoms.calc = calculator
        try:
            relax_random_structure(atoms, steps, COLLAPSED * _volume(crystal))
        except MLPotError as error:
            problems.append(f"the relaxation of random structure {k} failed: {error}")
            low.append(atoms)
            continue
        end = (
            atoms.get_potential_energy() / len(atoms) - ground_energy,
            closeness(atoms),
            _volume(atoms) / _volume(crystal),
        )
        ends.append(end)
        if end[0] < -BELOW or end[1] < CORE:
            low.append(atoms)
        progress((k + 1) / n_structures)
    found = np.array(ends).reshape(-1, 3)
    problems += _random_structure_problems(found)
    lowest = 1e3 * found[:, 0].min(initial=np.inf)
    summary = f"{n_structures} random structures relaxed, the lowest lies {lowest:.0f} meV/atom above the crystal"
    numbers = {"energies_eV_per_atom": found[:, 0], "closeness": found[:, 1], "volumes": found[:, 2]}
    return passed_or_failed(problems, summary, numbers, partial(_plot_random_structures, found), structures=low)


def relax_random_structure(
    atoms: Atoms, steps: int, smallest: float, optimizers: Sequence[Callable[..., Optimizer]] = (LBFGS, FIRE)
) -> None:
    """Relax atoms and cell with one optimizer after the other.

    LBFGS is the faster one, but can stall between atoms that overlap at the start; FIRE then continues.

    Parameters
    ----------
    atoms : ase.Atoms
    steps : int
        Limit for each optimizer.
    smallest : float, A^3/atom
        Volume at which the relaxation ends: a hole has no minimum, and the images of a tiny cell fill the memory.
    optimizers : sequence of callable
        Classes of `ase.optimize`.
    """
    for optimizer in optimizers:
        # The plain filter: its detours far from the minimum do not matter, and it is ten times faster.
        for _ in optimizer(UnitCellFilter(atoms), logfile=None).irun(fmax=0.05, steps=steps):
            if _volume(atoms) < smallest:
                return


def _random_structure(crystal: Atoms, rng: np.random.Generator) -> Atoms:
    """Up to eight atoms (or one formula unit) at random positions in a random cell of 0.5 to 1.5 of the volume."""
    formula, _ = crystal.symbols.formula.reduce()
    unit = Atoms(str(formula)).numbers
    numbers = np.tile(unit, rng.integers(1, max(1, 8 // len(unit)) + 1))
    side = (_volume(crystal) * len(numbers) * rng.uniform(0.5, 1.5)) ** (1 / 3)
    cell = np.eye(3) + rng.uniform(-0.3, 0.3, (3, 3))
    cell *= side / np.linalg.det(cell) ** (1 / 3)
    places = scattered(len(numbers), cell, rng, tries=int(rng.integers(1, 6)))
    return Atoms(numbers, scaled_positions=places, cell=cell, pbc=True)


def _volume(atoms: Atoms) -> float:
    return float(atoms.get_volume() / len(atoms))


def _random_structure_problems(found: FloatArray) -> list[str]:
    """Rows of energy above the crystal (eV/atom), closeness, and volume over that of the crystal."""
    problems = []
    below = found[found[:, 0] < -BELOW]
    if len(below):
        energy, near, volume = below[below[:, 0].argmin()]
        problems.append(
            f"{len(below)} of {len(found)} random structures relax to below the crystal, the lowest by {-energy:.3f} "
            f"eV/atom at {volume:.2f} of its volume, with atoms at {near:.2f} of covalent contact (a hole, or a phase "
            "more stable than the one given)"
        )
    inside = found[found[:, 1] < CORE]
    if len(inside):
        problems.append(
            f"in {len(inside)} of {len(found)} relaxed random structures atoms lie at {inside[:, 1].min():.2f} "
            "of their covalent contact"
        )
    return problems


def _plot_random_structures(found: FloatArray, axis: Axes) -> None:
    axis.plot(found[:, 1], found[:, 0], "o", ms=5, alpha=0.7, color="#1b6ca8")
    axis.axhline(0.0, color="#c8553d", lw=1.0)
    axis.axvline(CORE, color="#c8553d", lw=1.0)
    axis.set(xlabel="smallest distance / covalent contact", ylabel="energy above the crystal, eV/atom")
    axis.set_title("random structures, relaxed")
    tidy(axis)


def _energy(atoms: Atoms, calculator: Calculator) -> float:
    """Energy (eV/atom); NaN where the evaluation fails."""
    atoms.calc = calculator
    try:
        return float(atoms.get_potential_energy() / len(atoms))
    except MLPotError:
        return float("nan")
