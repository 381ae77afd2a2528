"""What is compared: each case is one potential in one program, at one size, on one number of processors."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlpot import lammps
from mlpot.benchmark.models import preset_config, untrained_model
from mlpot.benchmark.peers import CUTOFF, PEERS
from mlpot.benchmark.results import Program, Skipped
from mlpot.benchmark.settings import Settings
from mlpot.benchmark.styles import STYLES, style_commands
from mlpot.benchmark.systems import SKIN, System, crystal, read_system
from mlpot.engines.native import is_built
from mlpot.errors import MLPotError
from mlpot.lammps import build_torch_engine
from mlpot.model_file.manifest import read_manifest
from mlpot.model_file.registry import find_potential

_BASE_ATOMS = 32768
"""Size at which ranks and threads are compared, about."""
_SAMPLE_ATOMS = 512
"""Size at which neighbors are counted."""


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
    """

    potential: str
    mlpot: bool
    program: Program
    system: System
    ranks: int
    threads: int
    pair: tuple[str, ...] = ()
    calculator: dict[str, Any] | None = None

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
        Requested cases that cannot be measured.
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
    sample = _system(settings, files, None if settings.structure else _SAMPLE_ATOMS)
    for preset in settings.chosen_presets():
        neighbors = sample.neighbors(preset_config(preset).cutoff)
        files.append((preset, untrained_model(preset, sample.elements, neighbors, folder)))
    cutoff = read_manifest(files[0][1]).cutoff if files else CUTOFF
    builder = _Builder(settings, folder, sample, [_system(settings, files, n) for n in settings.chosen_atoms()])
    cases = [*builder.own(files), *builder.peers()]
    smallest = crystal(sample.elements, 1)
    return Plan(tuple(cases), tuple(builder.skipped), smallest, sample.neighbors(cutoff), cutoff)


def _system(settings: Settings, files: Sequence[tuple[str, Path]], n_atoms: int | None) -> System:
    """Structure of the settings; the elements of a crystal are by default those of the first model, or Si."""
    if settings.structure is not None:
        return read_system(settings.structure, n_atoms)
    known = read_manifest(files[0][1]).elements if files else ["Si"]
    return crystal(settings.elements or known, n_atoms or _SAMPLE_ATOMS)


class _Builder:
    """Makes cases, and collects what cannot be one."""

    def __init__(self, settings: Settings, folder: Path, sample: System, systems: Sequence[System]) -> None:
        self.settings = settings
        self.folder = folder
        self.sample = sample
        self.systems = systems
        self.skipped: list[Skipped] = []

    def own(self, files: Sequence[tuple[str, Path]]) -> Iterator[Case]:
        """Cases of mlpot's own potentials, in LAMMPS and ASE, with each engine; the scaling is that of LAMMPS."""
        in_lammps = self._engines_in_lammps()
        in_ase = [] if self.settings.scaling else self._engines_in_ase()
        for name, path in files:
            for engine in in_lammps:
                yield from self._spread(name, own=True, pair=self._pair(engine, path))
            for engine in in_ase:
                calculator = {"path": str(path), "engine": engine, "precision": self.settings.precision, "skin": SKIN}
                yield from self._spread(name, own=True, calculator=calculator)

    def peers(self) -> Iterator[Case]:
        """Cases of the others."""
        for name in self.settings.chosen_peers():
            if name in STYLES:
                yield from self._style(name)
            elif PEERS[name].version() is None:
                self._skip(PEERS[name].distribution, "not installed")
            else:
                options = {"neighbors": self.sample.neighbors(CUTOFF), "precision": self.settings.precision}
                calculator = {"peer": name, "elements": self.sample.elements, **options}
                yield from self._spread(PEERS[name].label, calculator=calculator)

    def _style(self, name: str) -> Iterator[Case]:
        try:
            pair = style_commands(name, self.sample.elements, self.folder)
        except MLPotError as error:
            self._skip(STYLES[name], str(error))
            return
        yield from self._spread(STYLES[name], pair=pair)

    def _spread(
        self,
        potential: str,
        *,
        own: bool = False,
        pair: tuple[str, ...] = (),
        calculator: dict[str, Any] | None = None,
    ) -> Iterator[Case]:
        """One potential at all sizes, on all numbers of processors."""
        program: Program = "LAMMPS" if calculator is None else "ASE"
        base = min(self.systems, key=lambda system: abs(len(system.atoms) - _BASE_ATOMS))
        for system in self.systems:
            for ranks, threads in self.settings.parallel():
                if program == "ASE" and ranks > 1:
                    continue
                if self.settings.scaling and ranks * threads > 1 and system is not base:
                    continue
                yield Case(potential, own, program, system, ranks, threads, pair, calculator)

    def _pair(self, engine: str, path: Path) -> tuple[str, ...]:
        precision = f" precision {self.settings.precision}" if self.settings.precision else ""
        return (
            f"pair_style mlpot engine {engine}{precision}",
            f'pair_coeff * * "{path.absolute()}" {" ".join(self.sample.elements)}',
        )

    def _engines_in_lammps(self) -> list[str]:
        engines = list(self.settings.chosen_engines())
        try:
            native = lammps.native_engine() is not None
            lammps.program()
        except MLPotError as error:
            self._skip("mlpot in LAMMPS", str(error))
            return []
        if "native" in engines and not native:
            self._skip("mlpot in LAMMPS, engine native", "it is not built into this installation")
            engines.remove("native")
        if "torch" in engines and build_torch_engine.find() is None:
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
