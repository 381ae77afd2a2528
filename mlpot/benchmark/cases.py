"""What is compared: each case is one potential in one program, at one size, on one number of processors."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlpot import lammps, torch_engine
from mlpot.benchmark.models import untrained_model
from mlpot.benchmark.operations import operations
from mlpot.benchmark.peers import PEERS
from mlpot.benchmark.results import Program, Skipped
from mlpot.benchmark.settings import Settings
from mlpot.benchmark.styles import STYLES, style_commands
from mlpot.benchmark.systems import SKIN, System, crystal, read_system
from mlpot.engine import is_built
from mlpot.errors import MLPotError
from mlpot.manifest import read_manifest
from mlpot.shipped import find_potential

_BASE_ATOMS = 4096
"""Size at which ranks and threads are compared, about."""
_SAMPLE_ATOMS = 512
"""Size at which neighbours are counted."""


@dataclass(frozen=True)
class Case:
    """One thing to measure.

    Attributes
    ----------
    potential : str
        Name in tables.
    mlpot : bool
    program : {"LAMMPS", "ASE"}
    system : System
    ranks, threads : int
    pair : tuple of str
        Commands that choose the potential in LAMMPS.
    calculator : dict
        What `worker` makes the calculator of, for ASE.
    flop : float, optional
        Operations an atom and step.
    """

    potential: str
    mlpot: bool
    program: Program
    system: System
    ranks: int
    threads: int
    pair: tuple[str, ...] = ()
    calculator: dict[str, Any] | None = None
    flop: float | None = None

    def __str__(self) -> str:
        engine = self.calculator.get("engine") if self.calculator else None
        engine = engine or next((name for name in ("native", "torch") if f"engine {name}" in " ".join(self.pair)), None)
        return f"{self.potential}{f' ({engine})' if engine else ''}, {self.program}"


@dataclass(frozen=True)
class Plan:
    """All cases, and what they have in common.

    Attributes
    ----------
    cases : tuple of Case
    skipped : tuple of Skipped
        What was asked for and cannot be measured.
    smallest : System
        A few atoms, for the memory that does not depend on their number.
    neighbors : float
        Mean number inside the cutoff.
    cutoff : float, A
        Of the first model.
    """

    cases: tuple[Case, ...]
    skipped: tuple[Skipped, ...]
    smallest: System
    neighbors: float
    cutoff: float


def make_plan(settings: Settings, folder: Path) -> Plan:
    """Find out what to measure.

    Parameters
    ----------
    settings : Settings
    folder : Path
        For models and parameters.

    Returns
    -------
    Plan

    Raises
    ------
    MLPotError
        A model, structure or element that cannot be used.
    """
    files = [(name, find_potential(name)) for name in settings.models]
    elements = _elements(settings, files)
    cutoff = read_manifest(files[0][1]).cutoff if files else 5.0
    sample = read_system(settings.structure) if settings.structure else crystal(elements, _SAMPLE_ATOMS)
    neighbors = sample.neighbors(cutoff)
    files += [(name, untrained_model(name, elements, neighbors, folder)) for name in settings.chosen_presets()]
    systems = [
        read_system(settings.structure, n) if settings.structure else crystal(elements, n or 1)
        for n in settings.chosen_atoms()
    ]
    builder = _Builder(settings, folder, elements, neighbors, systems)
    cases = [*builder.own(files), *builder.peers()]
    return Plan(tuple(cases), tuple(builder.skipped), crystal(elements, 1), neighbors, cutoff)


class _Builder:
    """Makes cases, and collects what cannot be one."""

    def __init__(
        self, settings: Settings, folder: Path, elements: Sequence[str], neighbors: float, systems: Sequence[System]
    ) -> None:
        self.settings = settings
        self.folder = folder
        self.elements = tuple(elements)
        self.neighbors = neighbors
        self.systems = systems
        self.skipped: list[Skipped] = []

    def own(self, files: Sequence[tuple[str, Path]]) -> Iterator[Case]:
        """Cases of mlpot's own potentials, in LAMMPS and ASE, with each engine."""
        in_lammps, in_ase = self._engines_in_lammps(), self._engines_in_ase()
        for name, path in files:
            flop = operations(read_manifest(path).config, self.neighbors).flop
            for engine in in_lammps:
                yield from self._spread(
                    Case(name, True, "LAMMPS", self.systems[0], 1, 1, self._pair(engine, path), None, flop)
                )
            if self.settings.scaling:
                continue
            for engine in in_ase:
                calculator = {"path": str(path), "engine": engine, "precision": self.settings.precision, "skin": SKIN}
                yield from self._spread(Case(name, True, "ASE", self.systems[0], 1, 1, (), calculator, flop))

    def peers(self) -> Iterator[Case]:
        """Cases of the others."""
        for name in self.settings.chosen_peers():
            if name in STYLES:
                try:
                    pair = style_commands(name, self.elements, self.folder)
                except MLPotError as error:
                    self._skip(STYLES[name], str(error))
                    continue
                yield from self._spread(Case(STYLES[name], False, "LAMMPS", self.systems[0], 1, 1, pair))
            elif PEERS[name].version() is None:
                self._skip(PEERS[name].distribution, "not installed")
            else:
                calculator = {
                    "peer": name,
                    "elements": self.elements,
                    "neighbors": self.neighbors,
                    "precision": self.settings.precision,
                }
                yield from self._spread(Case(PEERS[name].label, False, "ASE", self.systems[0], 1, 1, (), calculator))

    def _spread(self, case: Case) -> Iterator[Case]:
        """Vary size and number of processors."""
        base = min(self.systems, key=lambda system: abs(len(system.atoms) - _BASE_ATOMS))
        for system in self.systems:
            for ranks, threads in self.settings.parallel():
                alone = ranks == threads == 1
                if (case.program == "ASE" and ranks > 1) or (
                    self.settings.scaling and not alone and system is not base
                ):
                    continue
                yield replace(case, system=system, ranks=ranks, threads=threads)

    def _pair(self, engine: str, path: Path) -> tuple[str, ...]:
        precision = f" precision {self.settings.precision}" if self.settings.precision else ""
        return (
            f"pair_style mlpot engine {engine}{precision}",
            f'pair_coeff * * "{path.absolute()}" {" ".join(self.elements)}',
        )

    def _engines_in_lammps(self) -> list[str]:
        engines = list(self.settings.chosen_engines())
        try:
            native = Path(lammps.plugin_directory(), lammps.NATIVE_ENGINE).is_file()
            lammps.program()
        except MLPotError as error:
            self._skip("mlpot in LAMMPS", str(error))
            return []
        if "native" in engines and not native:
            self._skip("mlpot in LAMMPS, engine native", "it is not built into this installation")
            engines.remove("native")
        if "torch" in engines and torch_engine.find() is None:
            self._skip("mlpot in LAMMPS, engine torch", "it is not built; build it with: mlpot build-torch-engine")
            engines.remove("torch")
        return engines

    def _engines_in_ase(self) -> list[str]:
        engines = list(self.settings.chosen_engines())
        if "native" in engines and not is_built():
            self._skip("mlpot in ASE, engine native", "it is not built into this installation")
            engines.remove("native")
        return engines

    def _skip(self, name: str, reason: str) -> None:
        skipped = Skipped(name=name, reason=reason)
        if skipped not in self.skipped:
            self.skipped.append(skipped)


def _elements(settings: Settings, files: Sequence[tuple[str, Path]]) -> tuple[str, ...]:
    if settings.structure:
        return read_system(settings.structure).elements
    if settings.elements:
        return tuple(settings.elements)
    return tuple(read_manifest(files[0][1]).elements) if files else ("Si",)
