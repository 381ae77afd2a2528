"""Values that the store returns: frozen dataclasses, no rows of SQL."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ase import Atoms

from mlpot.data.structure import FloatArray

JobState = Literal["waiting", "running", "done", "failed"]
EnergyKind = Literal["free_energy", "energy"]


@dataclass(frozen=True)
class Job:
    """One DFT calculation.

    Attributes
    ----------
    id, structure_id, settings_id : str
        Hashes.
    runs : int
        Number of times that it was started.
    restarts : int
        Number of times that its worker died.
    iteration : int
        Of the loop that requested it.
    reason : str or None
        Why it failed.
    """

    id: str
    structure_id: str
    settings_id: str
    state: JobState
    runs: int
    restarts: int
    iteration: int
    reason: str | None


@dataclass(frozen=True, eq=False)
class Label:
    """Result of a calculation.

    Attributes
    ----------
    energy : float, eV
    forces : (n_atoms, 3), eV/A
    stress : (3, 3) or None, eV/A^3
    energy_kind : str
        ``free_energy``, from which forces derive; ``energy`` for codes without it.
    attempt : int
        0: with the parameters as given; n: with the n-th fallback settings.
    seconds : float
        Time of the calculation, failed attempts included.
    host, code_version : str
        Machine and versions that computed it.
    raw_file, raw_sha256 : str or None
        Compressed outputs, in the store's folder of raw files.
    """

    energy: float
    forces: FloatArray
    stress: FloatArray | None
    energy_kind: EnergyKind
    attempt: int = 0
    seconds: float = 0.0
    host: str = ""
    code_version: str = ""
    raw_file: str | None = None
    raw_sha256: str | None = None


@dataclass(frozen=True, eq=False)
class LabelledJob:
    """A label with its structure, settings and provenance.

    Attributes
    ----------
    settings : mapping
        Code and parameters.
    origin : mapping
        How the structure was made.
    held_out : bool
        Never trained on by the loop: a part of the initial structures, and all random validation frames.
    """

    job: Job
    atoms: Atoms
    label: Label
    settings: Mapping[str, Any]
    origin: Mapping[str, Any]
    held_out: bool
