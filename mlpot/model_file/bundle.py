"""A model file in memory, to which committees, feature distances and calibrations are added before it is saved.

Data flow: `torchscript.bundle_model` (from a potential) or `ModelBundle.read` (from a file) -> `with_distance`,
`with_calibration` (`mlpot.uncertainty`) -> `save`. Engines open a bundle or a file. Torch is not imported.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from mlpot.errors import ModelFileError
from mlpot.model_file.archive import read_checked, read_members, write_members
from mlpot.model_file.feature_distance import PREFIX, FeatureDistance
from mlpot.model_file.manifest import MANIFEST, Calibration, DistanceInfo, Manifest, parse_manifest
from mlpot.model_file.tensors import Arrays, read_tensors, replace_tensors
from mlpot.running.atomic_write import write_atomically


@dataclass(frozen=True, eq=False)
class ModelBundle:
    """Scripted module, manifest and tensors of a model.

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
        return cls(content, parse_manifest(Path(path), read_members(Path(path), content)), Path(path))

    def save(self, path: str | Path) -> None:
        """Write the model to a file, completely or not at all."""
        write_atomically(Path(path), self.content)

    def members(self) -> dict[str, bytes]:
        """Members of the archive by name."""
        return read_members(self.path, self.content)

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Weights and constants by name, and those of the feature distance.

        Raises
        ------
        ModelFileError
            The index of the file does not fit its members.
        """
        return read_tensors(self.path, self.members())

    def distance(self) -> FeatureDistance:
        """Feature distance of the model; there is one if ``manifest.feature_distance`` is not None."""
        try:
            return FeatureDistance.from_tensors(self.tensors())
        except (KeyError, IndexError, ValueError) as error:
            raise ModelFileError(f"{self.path}: has no complete feature distance: {error}") from error

    def with_distance(self, distance: FeatureDistance, info: DistanceInfo) -> "ModelBundle":
        """Copy with another feature distance and without calibration, which refers to the distance."""
        manifest = self.manifest.model_copy(update={"feature_distance": info, "calibration": None})
        return self._replaced(manifest, distance.tensors())

    def with_calibration(self, calibration: Calibration) -> "ModelBundle":
        """Copy with another calibration."""
        return self._replaced(self.manifest.model_copy(update={"calibration": calibration}))

    def with_license(self, license: str) -> "ModelBundle":
        """Copy with another license."""
        return self._replaced(self.manifest.model_copy(update={"license": license}))

    def _replaced(self, manifest: Manifest, distance: Arrays | None = None) -> "ModelBundle":
        """Copy with another manifest and distance, and the same module, byte by byte."""
        members = self.members()
        members[MANIFEST] = manifest.to_json().encode()
        if distance is not None:
            replace_tensors(members, PREFIX, distance)
        return ModelBundle(write_members(members), manifest, self.path)
