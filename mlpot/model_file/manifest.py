"""What a `model.pt` says of itself, without torch: the file with its checksum, its members, its manifest.

`export` writes and reads the rest of the file and says how it is laid out; the native engine of `engine` needs no more
than this, so that ASE runs without loading torch.
"""

import io
import json
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any, Literal

from ase import Atoms
from pydantic import BaseModel, ConfigDict, ValidationError

from mlpot.config import ModelConfig
from mlpot.errors import ModelFileError
from mlpot.running.atomic_write import write_atomically

FORMAT_VERSION = 8
"""The format that is written, and the only one that is read: names of today came with it."""

MANIFEST = "mlpot.json"
TENSORS = "mlpot.safetensors"
CHECKSUM = b"mlpot-crc32:"

Precision = Literal["mixed", "double"]
_OPTIONAL = ("committee", "calibration", "feature_distance")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ReferenceResults(_Strict):
    """What a model says of the structure of the self-test structure: eV, eV/A, eV."""

    energy: float
    forces: list[list[float]]
    virial: list[list[float]]


class SelfTest(ReferenceResults):
    """A structure and what the model answers for it in float64; every engine must reproduce it.

    `members` holds the answers of the members of a committee.
    """

    numbers: list[int]
    positions: list[list[float]]
    cell: list[list[float]]
    members: list[ReferenceResults] | None = None

    def atoms(self) -> Atoms:
        """Structure of the self-test structure, periodic."""
        return Atoms(self.numbers, self.positions, cell=self.cell, pbc=True)


class CommitteeInfo(_Strict):
    """Committee in a file: members that share all but the last weights, or whole ones."""

    kind: Literal["shallow", "deep"]
    n_members: int


class Scaling(_Strict):
    """From the spread of a committee to an error bar: ``sigma = scale * spread``.

    `scale` has one value for each element of the model (forces), or one (energy, stress). A share ``levels[k]`` of
    the held-out errors was below ``quantiles[k] * sigma``. For forces, where the file has a feature distance,
    ``sigma = scale * sqrt(spread) * D * max(1, D / distance_limit)``, with D that of the neighbourhood.
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
    """What a model file says of itself; units are eV and A throughout."""

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
        """Text for the file, without what is not there."""
        absent = {name for name in _OPTIONAL if getattr(self, name) is None}
        self_test = {"members"} if self.self_test.members is None else set()
        return self.model_dump_json(indent=1, exclude={**dict.fromkeys(absent, True), "self_test": self_test})


def read_manifest(path: str | Path) -> Manifest:
    """Manifest of a model file; the file is checked, the module in it is not loaded.

    Raises
    ------
    ModelFileError
        As for `load_model`, but for the self-test structure.
    """
    return parse_manifest(Path(path), read_checked(Path(path)))


def add_checksum(archive: bytes) -> bytes:
    """Archive with its checksum as the zip comment.

    Parameters
    ----------
    archive : bytes
        As torch wrote it.

    Returns
    -------
    bytes
    """
    if archive[-22:-18] != b"PK\x05\x06":
        raise ModelFileError("torch wrote an archive that does not end with a plain end-of-directory record")
    body = archive[:-2] + struct.pack("<H", len(CHECKSUM) + 8) + CHECKSUM
    return body + b"%08x" % zlib.crc32(body)


def read_checked(path: Path) -> bytes:
    """All bytes of a model file, if they are those that were written.

    Parameters
    ----------
    path : Path

    Returns
    -------
    bytes

    Raises
    ------
    ModelFileError
        The file is missing, foreign, cut or changed.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {error.strerror}") from error
    if not content.startswith(b"PK"):
        raise ModelFileError(f"{path}: is not an mlpot model file (a zip archive that `mlpot train` writes)")
    if content[-len(CHECKSUM) - 8 : -8] != CHECKSUM:
        raise ModelFileError(f"{path}: has no mlpot checksum at its end: it is cut off or was not written by mlpot")
    if content[-8:] != b"%08x" % zlib.crc32(content[:-8]):
        raise ModelFileError(f"{path}: is damaged: its checksum does not match; copy it again from its source")
    return content


def member(content: bytes, name: str) -> bytes:
    """One of the extra files inside a model file.

    Parameters
    ----------
    content : bytes
        Of `read_checked`.
    name : str

    Returns
    -------
    bytes
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read(next(entry for entry in archive.namelist() if entry.endswith(f"/extra/{name}")))


def parse_manifest(path: Path, content: bytes) -> Manifest:
    """Manifest out of the bytes of a model file.

    Parameters
    ----------
    path : Path
        For error messages.
    content : bytes
        Of `read_checked`.

    Returns
    -------
    Manifest

    Raises
    ------
    ModelFileError
        There is none, it is of another format, or it is not valid.
    """
    try:
        fields = json.loads(member(content, MANIFEST))
        version = fields.get("format_version")
    except (StopIteration, zipfile.BadZipFile, ValueError, AttributeError) as error:
        raise ModelFileError(f"{path}: has no readable mlpot manifest") from error
    if version != FORMAT_VERSION:
        is_older = isinstance(version, int) and version < FORMAT_VERSION
        remedy = "train it anew, models compute something else now" if is_older else "upgrade mlpot"
        raise ModelFileError(f"{path}: has format {version}; this mlpot reads format {FORMAT_VERSION}: {remedy}")
    try:
        return Manifest.model_validate(fields)
    except ValidationError as error:
        raise ModelFileError(f"{path}: has a manifest that is not valid: {error.errors()[0]['msg']}") from error


def replace_extras(path: Path, target: Path, manifest: Manifest, tensors: bytes) -> None:
    """Write a model file again with another manifest and other plain tensors; the module in it stays as it is.

    Parameters
    ----------
    path, target : Path
        May be the same.
    manifest : Manifest
    tensors : bytes
        In the safetensors format.
    """
    changed = {MANIFEST: manifest.to_json().encode(), TENSORS: tensors}
    archive = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(read_checked(path))) as source,
        zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as copy,
    ):
        for entry in source.namelist():
            _, _, name = entry.rpartition("/extra/")
            copy.writestr(entry, changed.get(name) or source.read(entry))
    write_atomically(target, add_checksum(archive.getvalue()))
