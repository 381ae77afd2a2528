"""All checks of a model in order: `mlpot check`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from ase import Atoms

from mlpot.calculator import MLPotCalculator
from mlpot.errors import ConfigError, MLPotError
from mlpot.properties.crystal import structure_from
from mlpot.validation.conservation import check_conservation
from mlpot.validation.derivatives import check_derivatives, check_symmetries
from mlpot.validation.engines import check_engines, check_lammps
from mlpot.validation.high_temperature import check_high_temperature
from mlpot.validation.holes import check_random_structures, check_rattles
from mlpot.validation.report import CheckReport
from mlpot.validation.result import Check, CheckResult, OnProgress, skipped
from mlpot.validation.samples import enlarged, random_cell, rattled
from mlpot.validation.short_range import check_compression, check_dimers, check_trimers
from mlpot.validation.stability import check_stability
from mlpot.validation.system_under_test import SystemUnderTest, check_relaxation, cohesive_energy, prepare

OnCheck = Callable[[str, float], None]
"""Called with the name of the running check and the completed fraction of all checks, 0 to 1."""


@dataclass(frozen=True)
class CheckSettings:
    """Which structures are checked, and for how long.

    Attributes
    ----------
    structures : tuple of str
        As of `structure_from`; empty: the crystal of the element, for a model of one element.
    stable : bool
        The structures are stable at 0 K: their phonons must be real.
    time : float, ps
        Of the high-temperature MD.
    melting_point : float, K, optional
        The high-temperature MD runs at twice this temperature.
    starts : int
        Number of random structures that are relaxed.
    conservation_time : float, ps
        Of the MD without thermostat.
    """

    structures: tuple[str, ...] = ()
    stable: bool = False
    time: float = 20.0
    melting_point: float | None = None
    starts: int = 300
    conservation_time: float = 10.0

    def __post_init__(self) -> None:
        """Refuse times and temperatures that are not positive.

        Raises
        ------
        ConfigError
        """
        if not self.time > 0:
            raise ConfigError(f"`time` of the high-temperature MD must be above 0 ps, got {self.time}")
        if self.melting_point is not None and not self.melting_point > 0:
            raise ConfigError(f"`melting_point` must be above 0 K, got {self.melting_point}")


def run_check(model: Path, settings: CheckSettings, on_check: OnCheck = lambda name, fraction: None) -> CheckReport:
    """Run all checks of a model.

    Parameters
    ----------
    model : Path
    settings : CheckSettings
    on_check : callable

    Returns
    -------
    CheckReport
        With what was found so far where Ctrl-C ends the checks.
    """
    calculator = MLPotCalculator(model, precision="double")
    labels = settings.structures or _own_crystal(calculator)
    on_check("relaxing the structures", 0.0)
    systems = [prepare(label, calculator) for label in labels]
    checks = list(all_checks(calculator, systems, settings))
    results: list[CheckResult] = []
    interrupted = False
    try:
        _run_all(checks, results, on_check)
    except KeyboardInterrupt:
        interrupted = True
    missing = [CheckResult(check.name, "skipped", "not run: interrupted") for check in checks[len(results) :]]
    return CheckReport(model, calculator.sha256, tuple(labels), (*results, *missing), interrupted)


def all_checks(
    calculator: MLPotCalculator, systems: Sequence[SystemUnderTest], settings: CheckSettings
) -> Iterator[Check]:
    """All checks in order; the calculator is one in float64."""
    manifest = calculator.manifest
    symbols, cutoff = manifest.elements, manifest.cutoff
    model = Path(str(calculator.parameters["path"]))
    crystals = {
        system.atoms.symbols[0]: cohesive_energy(system, calculator)
        for system in systems
        if system.is_crystal and not system.problem and len(set(system.atoms.symbols)) == 1
    }
    crystals = {symbol: binding for symbol, binding in crystals.items() if binding > 0}
    small, large = _samples(symbols, systems)
    yield Check("dimers", partial(check_dimers, calculator, symbols, cutoff, crystals), 1 + len(symbols) ** 2)
    yield Check("trimers", partial(check_trimers, calculator, symbols, cutoff, crystals), 1 + len(symbols) ** 3)
    yield Check("derivatives", partial(check_derivatives, small, calculator), 3)
    yield Check("symmetries", partial(check_symmetries, small, calculator))
    yield Check("engines", partial(check_engines, model, {**small, **large}), 3)
    yield Check("lammps", partial(check_lammps, model, {**small, **large}), 2)
    if not systems:
        missing = skipped("no structure: give --structure, e.g. NaCl:rocksalt:5.6 or a file")
        yield Check("crystal", lambda progress: missing)
    for system in systems:
        prefix = f"{system.label} " if len(systems) > 1 else ""
        yield from _structure_checks(prefix, system, calculator, settings)


def _structure_checks(
    prefix: str, system: SystemUnderTest, calculator: MLPotCalculator, settings: CheckSettings
) -> Iterator[Check]:
    atoms, hottest = system.atoms, system.high_temperature(settings.melting_point)
    yield Check(f"{prefix}relaxation", partial(check_relaxation, system, calculator))
    yield Check(f"{prefix}rattles", partial(check_rattles, atoms, calculator))
    if system.is_crystal:
        yield Check(f"{prefix}compression", partial(check_compression, atoms, calculator))
        search = partial(check_random_structures, atoms, calculator, n_structures=settings.starts)
        yield Check(f"{prefix}random structures", search, 0.1 * settings.starts)
        yield Check(f"{prefix}phonons", partial(_stability, system, calculator, settings.stable), 3)
    free_run = partial(
        check_conservation, atoms, calculator, temperature=0.5 * hottest, time=settings.conservation_time
    )
    yield Check(f"{prefix}conservation", free_run, 1.5 * settings.conservation_time)
    long_run = partial(
        check_high_temperature,
        atoms,
        calculator,
        temperature=hottest,
        time=settings.time,
        ground_energy=system.ground_energy,
    )
    yield Check(f"{prefix}high-temperature MD", long_run, 2.5 * settings.time)


def _stability(system: SystemUnderTest, calculator: MLPotCalculator, stable: bool, progress: OnProgress) -> CheckResult:
    if not stable:
        return skipped("give --stable where the structure is stable at 0 K: its phonons must then be real")
    return check_stability(system.atoms, calculator, calculator.manifest.cutoff, progress)


def _samples(symbols: Sequence[str], systems: Sequence[SystemUnderTest]) -> tuple[dict[str, Atoms], dict[str, Atoms]]:
    """Small and large structures without symmetry, for comparisons of energies and forces."""
    rng = np.random.default_rng(0)
    cell = random_cell(symbols, rng)
    cluster = cell.copy()
    cluster.pbc = False
    cluster.cell = None
    squeezed = cluster.copy()
    squeezed.positions *= 0.6
    small = {"random cell": cell, "cluster": cluster, "squeezed cluster": squeezed}
    small |= {f"rattled {system.label}": rattled(system.atoms, 0.1, rng) for system in systems}
    large = {f"large {system.label}": rattled(enlarged(system.atoms, 60), 0.1, rng) for system in systems}
    return small, large


def _own_crystal(calculator: MLPotCalculator) -> tuple[str, ...]:
    """Crystal of a model of one element, from ASE's table; empty where there is none."""
    symbols = calculator.manifest.elements
    if len(symbols) > 1:
        return ()
    try:
        structure_from(symbols[0])
    except MLPotError:
        return ()
    return (symbols[0],)


def _run_all(checks: Sequence[Check], results: list[CheckResult], on_check: OnCheck) -> None:
    """Run the checks in order and append their results."""
    total, before = sum(check.cost for check in checks), 0.0
    for number, check in enumerate(checks):
        progress = partial(
            _report_fraction, on_check, f"{number + 1}/{len(checks)} {check.name}", before, check.cost, total
        )
        progress(0.0)
        results.append(check.result(progress))
        before += check.cost


def _report_fraction(on_check: OnCheck, name: str, before: float, cost: float, total: float, fraction: float) -> None:
    on_check(name, (before + cost * fraction) / total)
