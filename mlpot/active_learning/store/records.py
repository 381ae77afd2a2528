"""What the store gives back: plain frozen dataclasses, no rows of SQL."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ase import Atoms

from mlpot.data.structure import FloatArray

JobState = Literal["waiting", "running", "done", "set_aside"]
EnergyKind = Literal["free_energy", "energy"]


@dataclass(frozen=True)
class Job:
    """One DFT calculation.

    Attributes
    ----------
    id, structure_id, settings_id : str
        Hashes.
    state : str
    attempt : int
        How often it was begun.
    losses : int
        How often its worker vanished.
    iteration : int
        Of the loop, that asked for it.
    reason : str or None
        Why it was set aside.
    """

    id: str
    structure_id: str
    settings_id: str
    state: JobState
    attempt: int
    losses: int
    iteration: int
    reason: str | None


@dataclass(frozen=True, eq=False)
class Label:
    """What a calculation gave.

    Attributes
    ----------
    energy : float, eV
    forces : (n_atoms, 3), eV/A
    stress : (3, 3) or None, eV/A^3
    energy_kind : str
        Free energies are what forces derive from; ``energy`` where the code gives no other.
    rung : int
        Of the ladder of settings, 0 for the first.
    seconds : float
        Time of the calculation, rungs that failed included.
    host, code_version : str
        Where and with what it was computed.
    raw_file, raw_sha256 : str or None
        Compressed outputs, in the store's folder of raw files.
    """

    energy: float
    forces: FloatArray
    stress: FloatArray | None
    energy_kind: EnergyKind
    rung: int = 0
    seconds: float = 0.0
    host: str = ""
    code_version: str = ""
    raw_file: str | None = None
    raw_sha256: str | None = None


@dataclass(frozen=True, eq=False)
class LabelledJob:
    """A label with all that belongs to it.

    Attributes
    ----------
    job : Job
    atoms : ase.Atoms
    label : Label
    settings : mapping
        Code and parameters.
    origin : mapping
        Where the structure came from.
    held_out : bool
        Never trained on by the loop: part of the first structures, and all control frames.
    """

    job: Job
    atoms: Atoms
    label: Label
    settings: Mapping[str, Any]
    origin: Mapping[str, Any]
    held_out: bool
