"""Members of a committee as single models, for engines that know no committees; without torch.

Data flow: bytes of a committee's `model.pt` -> manifest and plain tensors of each member -> small sealed files, which
hold no TorchScript and are read by the native engine alone. `mlpot.model.committee` says what a committee is.
"""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from mlpot.config import ModelConfig
from mlpot.manifest import MANIFEST, TENSORS, Manifest, member, parse_manifest, read_sealed, seal

DEVIATIONS = "deviations"
FloatArray = NDArray[np.float64]
Tensors = dict[str, NDArray[np.generic]]


class MembersAnswer(NamedTuple):
    """What the members of a committee say of one structure.

    Attributes
    ----------
    energy : (n_members,), eV
    forces : (n_members, n_atoms, 3), eV/A
    virial : (n_members, 3, 3), eV
    """

    energy: FloatArray
    forces: FloatArray
    virial: FloatArray


def last_weights(config: ModelConfig) -> dict[str, slice]:
    """Names of the last, linear weights of a potential, and their places among the descriptors.

    Parameters
    ----------
    config : ModelConfig

    Returns
    -------
    dict
    """
    width, n_layers = config.n_channels, config.n_layers
    places = {f"layers.{index}.readout": slice(index * width, (index + 1) * width) for index in range(n_layers)}
    name = f"layers.{n_layers - 1}.readout_network.2.weight"
    return {**places, name: slice(n_layers * width, n_layers * width + config.readout_width)}


def write_members(path: Path, folder: Path) -> list[Path]:
    """Write each member of a committee as a file of its own that the native engine reads.

    Parameters
    ----------
    path : Path
        Model file with a committee.
    folder : Path
        Exists.

    Returns
    -------
    list of Path
        In the order of the members.
    """
    content = read_sealed(path)
    manifest = parse_manifest(path, content)
    tensors: Tensors = safetensors.numpy.load(member(content, TENSORS))
    files = []
    for index, own in enumerate(_members(manifest, tensors)):
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as target:
            target.writestr(f"member/extra/{MANIFEST}", _member_manifest(manifest, index).to_json())
            target.writestr(f"member/extra/{TENSORS}", safetensors.numpy.save(own))
        files.append(folder / f"{path.stem}-member-{index}.pt")
        files[-1].write_bytes(seal(archive.getvalue()))
    return files


def _members(manifest: Manifest, tensors: Tensors) -> Iterator[Tensors]:
    committee = manifest.committee
    if committee is None:
        return
    for index in range(committee.n_members):
        prefix = f"members.{index}."
        if committee.kind == "deep":
            yield {name.removeprefix(prefix): values for name, values in tensors.items() if name.startswith(prefix)}
        else:
            deviation = tensors[DEVIATIONS][index]
            own = {name: values for name, values in tensors.items() if name != DEVIATIONS}
            for name, place in last_weights(manifest.config).items():
                own[name] = own[name] + deviation[place].reshape(own[name].shape)
            yield own


def _member_manifest(manifest: Manifest, index: int) -> Manifest:
    """Manifest of one member, with its own answers in the probe."""
    committee, answers = manifest.committee, manifest.probe.members
    if committee is None or answers is None:
        raise ValueError("no committee")
    side_by_side = committee.n_members if committee.kind == "deep" else 1
    probe = manifest.probe.model_copy(update={**answers[index].model_dump(), "members": None})
    widths = {name: getattr(manifest, name) // side_by_side for name in ("feature_width", "message_width")}
    nothing = dict.fromkeys(("committee", "calibration", "feature_distance"))
    return manifest.model_copy(update={**widths, **nothing, "probe": probe})
