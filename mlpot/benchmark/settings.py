"""Options of `mlpot benchmark`, checked."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from mlpot.benchmark.peers import PEERS
from mlpot.benchmark.styles import STYLES
from mlpot.config import PRESETS
from mlpot.engines.interface import EngineName
from mlpot.errors import ConfigError
from mlpot.model_file.torchscript import PRECISIONS

ATOMS = (4096,)
SCALING_ATOMS = (512, 4096, 32768, 64000, 216000, 512000)
"""Cubes of 4, 8, 12, 20, 30 and 40 unit cells of diamond."""


@dataclass(frozen=True)
class Settings:
    """What to measure; empty sequences stand for the defaults.

    Attributes
    ----------
    models : sequence of str
        Model files, or names of shipped potentials.
    presets : sequence of str
        Untrained models; by default all, unless `models` are given.
    elements : sequence of str
        Of the crystal; by default those of the first model, else Si.
    structure : Path, optional
        A structure instead of the crystal.
    atoms : sequence of int
        Numbers of atoms, about.
    engines : sequence of str
        native, torch; by default both, in `scaling` the first alone.
    precision : str, optional
        mixed or double; by default what a model was trained in.
    ranks, threads : sequence of int
        MPI processes of LAMMPS, and threads of each process.
    peers : sequence of str
        Names out of `STYLES` and `PEERS`; all; none.
    rounds : int
    seconds : float
        About how long one measurement takes.
    memory : bool
        Measure memory, too.
    scaling : bool
        Cost against atoms, ranks and threads instead of a comparison.
    """

    models: Sequence[str] = ()
    presets: Sequence[str] = ()
    elements: Sequence[str] = ()
    structure: Path | None = None
    atoms: Sequence[int] = ()
    engines: Sequence[str] = ()
    precision: str | None = None
    ranks: Sequence[int] = ()
    threads: Sequence[int] = ()
    peers: Sequence[str] = ()
    rounds: int = 5
    seconds: float = 1.0
    memory: bool = False
    scaling: bool = False

    def __post_init__(self) -> None:
        _check_names("preset", self.presets, PRESETS)
        _check_names("engine", self.engines, get_args(EngineName))
        _check_names("precision", [self.precision] if self.precision else [], PRECISIONS)
        _check_names("peers", self.peers, ["all", "none", *STYLES, *PEERS])
        for name in ("atoms", "ranks", "threads"):
            _check_positive(name, getattr(self, name))
        _check_positive("rounds", [self.rounds])
        _check_positive("seconds", [self.seconds])
        if self.structure is not None and self.elements:
            raise ConfigError("give `elements` or `structure`, got both: the elements are those of the structure")

    def chosen_presets(self) -> tuple[str, ...]:
        """Untrained models to measure; for the scaling one of each number of layers."""
        if self.presets or self.models:
            return tuple(self.presets)
        return ("fast", "accurate") if self.scaling else tuple(PRESETS)

    def chosen_engines(self) -> tuple[str, ...]:
        """Engines to measure, the default one first."""
        return tuple(self.engines) or (("native",) if self.scaling else ("native", "torch"))

    def chosen_peers(self) -> tuple[str, ...]:
        """Peers to measure; the scaling has none unless they are named."""
        if "none" in self.peers or (self.scaling and not self.peers):
            return ()
        return tuple(self.peers) if self.peers and "all" not in self.peers else (*STYLES, *PEERS)

    def chosen_atoms(self) -> tuple[int | None, ...]:
        """Numbers of atoms; None is a structure as it is."""
        if self.atoms:
            return tuple(self.atoms)
        if self.structure is not None:
            return (None,)
        return SCALING_ATOMS if self.scaling else ATOMS

    def parallel(self) -> list[tuple[int, int]]:
        """Ranks and threads of every run; for the scaling one or the other."""
        if not self.scaling:
            return [(ranks, threads) for ranks in self.ranks or (1,) for threads in self.threads or (1,)]
        only_ranks = [(ranks, 1) for ranks in self.ranks or (1, 2)]
        return list(dict.fromkeys([(1, 1), *only_ranks, *((1, threads) for threads in self.threads or (1, 2))]))


def _check_names(option: str, names: Sequence[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            raise ConfigError(f"`{option}` must be one of {', '.join(known)}, got {name!r}")


def _check_positive(option: str, values: Sequence[float]) -> None:
    for value in values:
        if not value > 0:
            raise ConfigError(f"`{option}` must be positive, got {value}")
