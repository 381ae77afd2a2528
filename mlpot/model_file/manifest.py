"""Manifest of a model file: architecture, units, self-test, calibration.

Torch is not imported, so that the native engine runs without it. `torchscript` describes the layout of the file.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from ase import Atoms
from pydantic import BaseModel, ConfigDict, ValidationError

from mlpot.config import ModelConfig
from mlpot.errors import ModelFileError
from mlpot.model_file.archive import read_checked, read_members

FORMAT_VERSION = 9
"""Format of the files that are written and read."""

MANIFEST = "extra/mlpot.json"

MAX_DEPTH = 50
"""Levels of lists and objects in the manifest; training adds to it what its configuration holds."""

Precision = Literal["mixed", "double"]
_OPTIONAL = ("committee", "calibration", "feature_distance")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ReferenceResults(_Strict):
    """Results for the self-test structure in float64: eV, eV/A, eV."""

    energy: float
    forces: list[list[float]]
    virial: list[list[float]]


class SelfTest(ReferenceResults):
    """A structure with its results, which every engine must reproduce.

    `members` holds the results of the members of a committee.
    """

    numbers: list[int]
    positions: list[list[float]]
    cell: list[list[float]]
    members: list[ReferenceResults] | None = None

    def atoms(self) -> Atoms:
        """Structure of the self-test, periodic."""
        return Atoms(self.numbers, self.positions, cell=self.cell, pbc=True)


class CommitteeInfo(_Strict):
    """Committee in a file: members of a shallow one differ in the last weights, those of a deep one in all."""

    kind: Literal["shallow", "deep"]
    n_members: int


class Scaling(_Strict):
    """Calibration of the spread of a committee: ``sigma = scale * spread``.

    `scale` has a value for each element of the model (forces), or one (energy, stress). A fraction ``levels[k]`` of
    the held-out errors lies below ``quantiles[k] * sigma``. For forces, where the file has a feature distance,
    ``sigma = scale * sqrt(spread) * D * max(1, D / distance_limit)``, with D that of the neighborhood.
    """

    scale: list[float]
    distance_limit: float | None = None
    levels: list[float]
    quantiles: list[float]


class Calibration(_Strict):
    """Error bars from held-out data: force components in eV/A, energies in eV, stress components in eV/A^3."""

    n_structures: int
    n_forces: int
    data_hash: str | None
    forces: Scaling
    energy: Scaling | None = None
    stress: Scaling | None = None


class DistanceInfo(_Strict):
    """Distance of descriptors from those of a training set; its tensors are named ``distance.*``.

    It was fitted to `n_atoms` atoms.
    """

    n_structures: int
    n_atoms: int
    data_hash: str | None


class Manifest(_Strict):
    """Description of the model in a file; units are eV and A throughout."""

    format_version: int = FORMAT_VERSION
    creator: str
    units: dict[str, str] = {"energy": "eV", "length": "A"}
    atomic_numbers: list[int]
    elements: list[str]
    cutoff: float
    n_layers: int
    feature_width: int
    message_width: int
    n_parameters: int
    precision: Precision
    config: ModelConfig
    reference_energies: list[float]
    energy_scale: float
    average_neighbors: float
    training: dict[str, Any] = {}
    license: str = ""
    self_test: SelfTest
    committee: CommitteeInfo | None = None
    calibration: Calibration | None = None
    feature_distance: DistanceInfo | None = None

    def to_json(self) -> str:
        """JSON text for the file, without optional fields that are None."""
        absent = {name for name in _OPTIONAL if getattr(self, name) is None}
        self_test = {"members"} if self.self_test.members is None else set()
        return self.model_dump_json(indent=1, exclude={**dict.fromkeys(absent, True), "self_test": self_test})


def read_manifest(path: str | Path) -> Manifest:
    """Manifest of a model file, whose checksum is verified and whose module is not loaded.

    Raises
    ------
    ModelFileError
        The file is missing, cut, changed, foreign or of another format.

    Examples
    --------
    >>> from mlpot.model_file.registry import find_potential
    >>> manifest = read_manifest(find_potential("Si-dft/fast"))
    >>> manifest.elements, manifest.n_layers, manifest.committee.kind
    (['Si'], 1, 'shallow')
    """
    path = Path(path)
    return parse_manifest(path, read_members(path, read_checked(path)))


def parse_manifest(path: Path, members: Mapping[str, bytes]) -> Manifest:
    """Manifest among the members of a model file; `path` is for error messages.

    Raises
    ------
    ModelFileError
        There is none, it is of another format, or it is not valid.
    """
    try:
        fields = json.loads(members[MANIFEST])
        version = fields.get("format_version")
    except (KeyError, ValueError, AttributeError, RecursionError) as error:
        raise ModelFileError(f"{path}: has no readable mlpot manifest") from error
    if _is_deeper(fields, MAX_DEPTH):
        raise ModelFileError(f"{path}: has a manifest that is nested too deeply, expected at most {MAX_DEPTH} levels")
    if version != FORMAT_VERSION:
        is_older = isinstance(version, int) and version < FORMAT_VERSION
        remedy = "train it again, the architecture has changed since" if is_older else "upgrade mlpot"
        raise ModelFileError(f"{path}: has format {version}; this mlpot reads format {FORMAT_VERSION}: {remedy}")
    try:
        return Manifest.model_validate(fields)
    except ValidationError as error:
        raise ModelFileError(f"{path}: has a manifest that is not valid: {error.errors()[0]['msg']}") from error


def _is_deeper(value: object, levels: int) -> bool:
    """Whether lists and objects are nested deeper than a number of levels."""
    if not isinstance(value, dict | list):
        return False
    parts = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(part, levels - 1) for part in parts)
