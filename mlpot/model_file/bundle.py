"""A model file in memory, to which committees, feature distances and calibrations are added before it is saved.

Data flow: `torchscript.bundle_model` (from a potential) or `ModelBundle.read` (from a file) -> `with_distance`,
`with_calibration` (`mlpot.uncertainty`) -> `save`. Engines open a bundle or a file. Torch is not imported.
"""

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.numpy
from numpy.typing import NDArray

from mlpot.model_file.feature_distance import FeatureDistance
from mlpot.model_file.manifest import (
    MANIFEST,
    TENSORS,
    Calibration,
    DistanceInfo,
    Manifest,
    add_checksum,
    member,
    parse_manifest,
    read_checked,
)
from mlpot.running.atomic_write import write_atomically


@dataclass(frozen=True, eq=False)
class ModelBundle:
    """Scripted module, manifest and plain tensors of a model.

    Attributes
    ----------
    content : bytes
        As in the file, with the checksum.
    manifest : Manifest
    path : Path
        File that it was read from, for error messages; ``model in memory`` without a file.

    Examples
    --------
    >>> from mlpot.model_file.registry import find_potential
    >>> bundle = ModelBundle.read(find_potential("Si-dft/fast"))
    >>> bundle.manifest.elements, bundle.manifest.cutoff
    (['Si'], 5.0)
    >>> bundle.tensors()["deviations"].shape[0] == bundle.manifest.committee.n_members
    True
    """

    content: bytes
    manifest: Manifest
    path: Path = Path("model in memory")

    @classmethod
    def read(cls, path: str | Path) -> "ModelBundle":
        """Read a model file.

        Raises
        ------
        ModelFileError
            The file is missing, cut, changed, foreign or of another format.
        """
        content = read_checked(Path(path))
        return cls(content, parse_manifest(Path(path), content), Path(path))

    def save(self, path: str | Path) -> None:
        """Write the model to a file, completely or not at all."""
        write_atomically(Path(path), self.content)

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Weights and constants by name, and those of the feature distance."""
        tensors: dict[str, NDArray[Any]] = safetensors.numpy.load(member(self.content, TENSORS))
        return tensors

    def distance(self) -> FeatureDistance:
        """Feature distance of the model; there is one if ``manifest.feature_distance`` is not None."""
        return FeatureDistance.from_tensors(self.tensors())

    def with_distance(self, distance: FeatureDistance, info: DistanceInfo) -> "ModelBundle":
        """Copy with another feature distance and without calibration, which refers to the distance."""
        manifest = self.manifest.model_copy(update={"feature_distance": info, "calibration": None})
        return self._replaced(manifest, self.tensors() | distance.tensors())

    def with_calibration(self, calibration: Calibration) -> "ModelBundle":
        """Copy with another calibration."""
        return self._replaced(self.manifest.model_copy(update={"calibration": calibration}), self.tensors())

    def with_license(self, license: str) -> "ModelBundle":
        """Copy with another license."""
        return self._replaced(self.manifest.model_copy(update={"license": license}), self.tensors())

    def _replaced(self, manifest: Manifest, tensors: Mapping[str, NDArray[Any]]) -> "ModelBundle":
        """Copy with another manifest and other plain tensors, and the same module, byte by byte."""
        changed = {MANIFEST: manifest.to_json().encode(), TENSORS: safetensors.numpy.save(dict(tensors))}
        archive = io.BytesIO()
        with (
            zipfile.ZipFile(io.BytesIO(self.content)) as source,
            zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as target,
        ):
            for entry in source.namelist():
                _, _, name = entry.rpartition("/extra/")
                # Without a date, so that equal models are equal files.
                target.writestr(zipfile.ZipInfo(entry), changed.get(name) or source.read(entry))
        return ModelBundle(add_checksum(archive.getvalue()), manifest, self.path)
