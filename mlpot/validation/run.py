"""The order of the checks, and what is shown while they run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from ase import Atoms
from rich.console import Console

import mlpot
from mlpot.calculator import MLPotCalculator
from mlpot.errors import ConfigError, MLPotError
from mlpot.properties.crystal import structure_from
from mlpot.running.progress import progress_bar
from mlpot.validation.conservation import check_conservation
from mlpot.validation.derivatives import check_derivatives, check_symmetries
from mlpot.validation.engines import check_engines, check_lammps
from mlpot.validation.high_temperature import check_hot
from mlpot.validation.holes import check_descents, check_rattles
from mlpot.validation.report import draw_sheet, verdict_table, write_json, write_structures
from mlpot.validation.result import Check, OnProgress, Verdict, skipped
from mlpot.validation.samples import enlarged, random_cell, rattled
from mlpot.validation.short_range import check_compression, check_dimers, check_trimers
from mlpot.validation.stability import check_stability
from mlpot.validation.test_system import Subject, check_relaxation, cohesive_energy, prepare


@dataclass(frozen=True)
class CheckSettings:
    """What to check, and how long.

    Attributes
    ----------
    structures : tuple of str
        As of `structure_from`; none: the element's own crystal, for a model of one element.
    stable : bool
        The structures are stable at 0 K: their phonons must be real.
    time : float, ps
        Of the hot run.
    melting_point : float, K, optional
        The hot run has twice this temperature.
    starts : int
        Random structures that are relaxed.
    conservation_time : float, ps
        Of the run without thermostat.
    """

    structures: tuple[str, ...] = ()
    stable: bool = False
    time: float = 20.0
    melting_point: float | None = None
    starts: int = 300
    conservation_time: float = 10.0

    def __post_init__(self) -> None:
        """Refuse what cannot be run.

        Raises
        ------
        ConfigError
        """
        if not self.time > 0:
            raise ConfigError(f"`time` of the hot run must be above 0 ps, got {self.time}")
        if self.melting_point is not None and not self.melting_point > 0:
            raise ConfigError(f"`melting_point` must be above 0 K, got {self.melting_point}")


def run_check(model: Path, settings: CheckSettings, output: Path, console: Console | None = None) -> list[Verdict]:
    """Try a model and report.

    Parameters
    ----------
    model : Path
    settings : CheckSettings
    output : Path
        Folder of ``check.json`` and ``check.png``.
    console : rich.console.Console, optional

    Returns
    -------
    list of Verdict

    Raises
    ------
    KeyboardInterrupt
        Stopped by the user; what was found so far is reported all the same.
    """
    console = console or Console()
    calculator = MLPotCalculator(model, precision="double")
    labels = settings.structures or _own_crystal(calculator)
    with console.status("relaxing the structures"):
        subjects = [prepare(label, calculator) for label in labels]
    checks = list(all_checks(calculator, subjects, settings))
    verdicts: list[Verdict] = []
    try:
        _run_all(checks, verdicts, console)
    finally:
        unfinished = [Verdict(check.name, "skipped", "not run: stopped") for check in checks[len(verdicts) :]]
        heading = {
            "model": str(model),
            "sha256": calculator.sha256,
            "mlpot": mlpot.__version__,
            "structures": list(labels),
            "complete": not unfinished,
        }
        _report([*verdicts, *unfinished], heading, output, console)
    return verdicts


def all_checks(calculator: MLPotCalculator, subjects: Sequence[Subject], settings: CheckSettings) -> Iterator[Check]:
    """Make the list of checks.

    Parameters
    ----------
    calculator : MLPotCalculator
        In float64.
    subjects : sequence of Subject
    settings : CheckSettings

    Yields
    ------
    Check
    """
    manifest = calculator.model.manifest
    symbols, cutoff = manifest.elements, manifest.cutoff
    model = Path(str(calculator.parameters["path"]))
    crystals = {
        subject.atoms.symbols[0]: cohesive_energy(subject, calculator)
        for subject in subjects
        if subject.is_crystal and not subject.problem and len(set(subject.atoms.symbols)) == 1
    }
    crystals = {symbol: binding for symbol, binding in crystals.items() if binding > 0}
    small, large = _samples(symbols, subjects)
    yield Check("dimers", partial(check_dimers, calculator, symbols, cutoff, crystals), 1 + len(symbols) ** 2)
    yield Check("trimers", partial(check_trimers, calculator, symbols, cutoff, crystals), 1 + len(symbols) ** 3)
    yield Check("derivatives", partial(check_derivatives, small, calculator), 3)
    yield Check("symmetries", partial(check_symmetries, small, calculator))
    yield Check("engines", partial(check_engines, model, {**small, **large}), 3)
    yield Check("lammps", partial(check_lammps, model, {**small, **large}), 2)
    if not subjects:
        missing = skipped("no structure: give --structure, e.g. NaCl:rocksalt:5.6 or a file")
        yield Check("crystal", lambda progress: missing)
    for subject in subjects:
        prefix = f"{subject.label} " if len(subjects) > 1 else ""
        yield from _structure_checks(prefix, subject, calculator, settings)


def _structure_checks(
    prefix: str, subject: Subject, calculator: MLPotCalculator, settings: CheckSettings
) -> Iterator[Check]:
    atoms, hot = subject.atoms, subject.hot(settings.melting_point)
    yield Check(f"{prefix}relaxation", partial(check_relaxation, subject, calculator))
    yield Check(f"{prefix}rattles", partial(check_rattles, atoms, calculator))
    if subject.is_crystal:
        yield Check(f"{prefix}compression", partial(check_compression, atoms, calculator))
        descents = partial(check_descents, atoms, calculator, n_starts=settings.starts)
        yield Check(f"{prefix}random structures", descents, 0.1 * settings.starts)
        yield Check(f"{prefix}phonons", partial(_stability, subject, calculator, settings.stable), 3)
    free_run = partial(check_conservation, atoms, calculator, temperature=0.5 * hot, time=settings.conservation_time)
    yield Check(f"{prefix}conservation", free_run, 1.5 * settings.conservation_time)
    long_run = partial(check_hot, atoms, calculator, temperature=hot, time=settings.time, ground=subject.ground)
    yield Check(f"{prefix}hot", long_run, 2.5 * settings.time)


def _stability(subject: Subject, calculator: MLPotCalculator, stable: bool, progress: OnProgress) -> Verdict:
    if not stable:
        return skipped("give --stable where the structure is stable at 0 K: its phonons must then be real")
    return check_stability(subject.atoms, calculator, calculator.model.manifest.cutoff, progress)


def _samples(symbols: Sequence[str], subjects: Sequence[Subject]) -> tuple[dict[str, Atoms], dict[str, Atoms]]:
    """Small and large structures, out of symmetry, for the comparisons of numbers."""
    rng = np.random.default_rng(0)
    cell = random_cell(symbols, rng)
    cluster = cell.copy()
    cluster.pbc = False
    cluster.cell = None
    squeezed = cluster.copy()
    squeezed.positions *= 0.6
    small = {"random cell": cell, "cluster": cluster, "squeezed cluster": squeezed}
    small |= {f"rattled {subject.label}": rattled(subject.atoms, 0.1, rng) for subject in subjects}
    large = {f"large {subject.label}": rattled(enlarged(subject.atoms, 60), 0.1, rng) for subject in subjects}
    return small, large


def _own_crystal(calculator: MLPotCalculator) -> tuple[str, ...]:
    """Name of the crystal of a model of one element, where ASE knows it."""
    symbols = calculator.model.manifest.elements
    if len(symbols) > 1:
        return ()
    try:
        structure_from(symbols[0])
    except MLPotError:
        return ()
    return (symbols[0],)


def _run_all(checks: Sequence[Check], verdicts: list[Verdict], console: Console) -> None:
    """Run checks in order; `verdicts` grows by what is done, whatever stops it."""
    with progress_bar(console, total=sum(check.cost for check in checks)) as update:
        before = 0.0
        for number, check in enumerate(checks, 1):
            update(description=f"{number}/{len(checks)} {check.name}", completed=before)

            def advance(share: float, before: float = before, cost: float = check.cost) -> None:
                update(completed=before + cost * share)

            verdicts.append(check.verdict(advance))
            before += check.cost


def _report(verdicts: Sequence[Verdict], heading: dict[str, object], output: Path, console: Console) -> None:
    output.mkdir(parents=True, exist_ok=True)
    title = f"check of {heading['model']}"
    write_json(verdicts, heading, output / "check.json")
    draw_sheet(verdicts, title, output / "check.png")
    console.print(verdict_table(verdicts, title))
    counts = {status: sum(v.status == status for v in verdicts) for status in ("passed", "failed", "skipped")}
    console.print(", ".join(f"{count} {status}" for status, count in counts.items()), highlight=False)
    files = ["check.json", "check.png", *(path.name for path in write_structures(verdicts, output))]
    console.print(f"written to {output}: {', '.join(files)}", highlight=False, soft_wrap=True)
