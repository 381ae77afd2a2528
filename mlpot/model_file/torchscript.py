"""`model.pt`: one file that holds a potential for every engine; the only module that uses TorchScript.

The file is a TorchScript archive, a zip with stored entries (`archive`), whose members are

- the scripted module (one potential or a committee), plain ATen operators only: weights in the dtype of the training,
  constants in float64, so that one conversion, ``.float()`` or ``.double()``, chooses the arithmetic without loss;
- ``extra/mlpot.json``: the `Manifest`, with a self-test structure and its results;
- ``extra/mlpot.tensors.json``: for engines without torch, where each weight and constant is among the members
  (`tensors`).

The zip comment, the last bytes of the file, is ``mlpot-crc32:`` and eight hexadecimal digits: the CRC-32 of all
bytes before the digits. A file that is cut, changed or not written by mlpot is refused before its content is read. No
Python pickle is loaded.
"""

import io
import json
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
import torch
from ase.data import chemical_symbols
from numpy.typing import NDArray

from mlpot import __version__
from mlpot.errors import ModelFileError
from mlpot.model import (
    AnyPotential,
    Committee,
    DeepCommittee,
    MemberPredictions,
    Potential,
    Prediction,
    ShallowCommittee,
    evaluate,
    evaluate_members,
    main_potential,
)
from mlpot.model.graph import Graph
from mlpot.model.zbl import ZBLRepulsion
from mlpot.model_file.archive import write_members
from mlpot.model_file.bundle import ModelBundle
from mlpot.model_file.manifest import (
    MANIFEST,
    CommitteeInfo,
    Manifest,
    Precision,
)
from mlpot.model_file.self_test import make_self_test, members_deviation, self_test_deviation
from mlpot.model_file.tensors import add_module_tensors
from mlpot.neighbors.matscipy import graph_from_atoms

PRECISIONS: dict[Precision, torch.dtype] = {"mixed": torch.float32, "double": torch.float64}
ALLOWED_DEVIATION: dict[Precision, float] = {"mixed": 2e-4, "double": 1e-9}  # of `self_test_deviation`
AnyModel = TypeVar("AnyModel", bound=AnyPotential)


class ScriptedModel(NamedTuple):
    """A scripted potential with its manifest.

    Attributes
    ----------
    module : torch.jit.ScriptModule
        ``(species, edge_index, edge_vectors) -> atomic_energies``.
    manifest : Manifest
    path : Path
    """

    module: torch.jit.ScriptModule
    manifest: Manifest
    path: Path

    def evaluate(self, graph: Graph, *, atomic_virials: bool = False) -> Prediction:
        """Energies and their derivatives, as `mlpot.model.evaluate` computes them."""
        # The profiling executor compiles again for each new shape, which takes seconds: use the plain interpreter.
        with torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
            return evaluate(self.module, graph, atomic_virials=atomic_virials)

    def evaluate_members(self, graph: Graph) -> MemberPredictions:
        """Energies and their derivatives for each member of a committee."""
        with torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
            return evaluate_members(self.module, graph)

    def descriptors(self, graph: Graph) -> torch.Tensor:
        """Descriptors ``(n_atoms, descriptor_width)``, as `mlpot.model.Potential.descriptors` computes them."""
        with torch.jit.optimized_execution(False), torch.no_grad():  # type: ignore[attr-defined]
            return cast(torch.Tensor, self.module.descriptors(graph.species, graph.edge_index, graph.edge_vectors))


def bundle_model(potential: AnyPotential, training: dict[str, Any] | None = None, license: str = "") -> ModelBundle:
    """Script a potential or a committee, and describe it.

    Parameters
    ----------
    potential : Potential or committee
        Its dtype is the default precision of engines.
    training : dict
        Description of the training and its data for the manifest: plain JSON.
    license : str

    Returns
    -------
    ModelBundle
        Without feature distance and calibration.
    """
    model = in_double(potential)
    manifest = _manifest(potential, model, training or {}, license)
    _store_once(model, PRECISIONS[manifest.precision])
    members = {MANIFEST: manifest.to_json().encode(), **_module_members(model)}
    add_module_tensors(members, plain_tensors(model))
    return ModelBundle(write_members(members), manifest)


def _store_once(model: AnyPotential, dtype: torch.dtype) -> None:
    """Give weights the dtype of the training, in place, and equal constants the same memory."""
    weights = set(model.state_dict())
    known: dict[tuple[torch.dtype, torch.Size, bytes], torch.Tensor] = {}
    for path, module in model.named_modules():
        for name, tensor in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
            if f"{path}.{name}".removeprefix(".") not in weights:
                setattr(module, name, known.setdefault((tensor.dtype, tensor.shape, tensor.numpy().tobytes()), tensor))
            elif name == "deviations":  # float64, so that they sum to zero
                tensor.data = tensor.data.contiguous()
            else:
                tensor.data = tensor.data.to(dtype).contiguous()


def _module_members(model: AnyPotential) -> dict[str, bytes]:
    """Members of the archive that TorchScript writes, without its notes on the lines of the Python code."""
    buffer = io.BytesIO()
    with _torchscript():
        torch.jit.save(torch.jit.script(model), buffer)
    with zipfile.ZipFile(buffer) as archive:
        members = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    return {name: member for name, member in members.items() if not name.endswith(".debug_pkl")}


def save_model(
    path: str | Path, potential: AnyPotential, training: dict[str, Any] | None = None, license: str = ""
) -> Manifest:
    """Write a potential or a committee to one file, completely or not at all; arguments as of `bundle_model`."""
    bundle = bundle_model(potential, training, license)
    bundle.save(path)
    return bundle.manifest


def load_model(
    model: str | Path | ModelBundle, device: torch.device | str = "cpu", precision: Precision | None = None
) -> ScriptedModel:
    """Load the scripted module of a model file and compare it with the self-test of the file.

    Parameters
    ----------
    model : str, Path or ModelBundle
    device : torch.device or str
    precision : {"mixed", "double"}
        Arithmetic in float32 or float64; by default that of the training. Positions, edge vectors, energies and
        their sums are float64 in both.

    Raises
    ------
    ModelFileError
        The file is missing, cut, changed, foreign, of another format, or fails its self-test.

    Examples
    --------
    >>> from mlpot.model_file.registry import find_potential
    >>> loaded = load_model(find_potential("Si-dft/fast"), precision="double")
    >>> next(loaded.module.parameters()).dtype
    torch.float64
    """
    bundle = model if isinstance(model, ModelBundle) else ModelBundle.read(model)
    path, manifest = bundle.path, bundle.manifest
    try:
        with _torchscript():
            module = torch.jit.load(io.BytesIO(bundle.content), map_location=device)  # type: ignore[no-untyped-call]
    except Exception as error:  # libtorch raises bare RuntimeErrors of many kinds
        raise ModelFileError(f"{path}: libtorch cannot read the module in it: {_first_line(error)}") from error
    chosen = precision or manifest.precision
    if chosen not in PRECISIONS:
        raise ModelFileError(f"`precision` must be one of {', '.join(PRECISIONS)}, got {chosen!r}")
    module.to(PRECISIONS[chosen])
    module.eval()
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    loaded = ScriptedModel(module, manifest, path)
    _check_self_test(loaded, chosen, device)
    return loaded


def potential_from_file(model: str | Path | ModelBundle) -> AnyPotential:
    """Eager potential or committee with the weights of a model file, in the dtype of its training.

    Raises
    ------
    ModelFileError
        As for `load_model`. Constants are those of this version, not of the file: with others, the self-test fails.
    """
    bundle = model if isinstance(model, ModelBundle) else ModelBundle.read(model)
    manifest = bundle.manifest
    potential, tensors = _build(manifest), bundle.tensors()
    try:
        potential.load_state_dict(
            {name: torch.from_numpy(tensors[_name_in_file(name)]) for name in potential.state_dict()}
        )
    except KeyError as error:
        raise ModelFileError(f"{bundle.path}: its index has no tensor {error.args[0]}") from error
    except RuntimeError as error:  # a wrong shape
        raise ModelFileError(f"{bundle.path}: has other tensors than its manifest: {_last_line(error)}") from error
    graph = graph_from_atoms(manifest.self_test.atoms(), manifest.atomic_numbers, manifest.cutoff)
    deviation = self_test_deviation(evaluate(in_double(potential), graph), manifest.self_test)
    if not deviation <= ALLOWED_DEVIATION["double"]:
        raise ModelFileError(
            f"{bundle.path}: its weights give other numbers in this version of mlpot than in the one that wrote it "
            f"(relative deviation {deviation:.1e} in its self-test): it can be evaluated, but not trained further; "
            "train it again"
        )
    return potential.to(PRECISIONS[manifest.precision])


@contextmanager
def _torchscript() -> Iterator[None]:
    """Suppress the warning of torch that TorchScript, the format of the file, is deprecated."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*torch.jit", category=DeprecationWarning)
        yield


def _build(manifest: Manifest) -> AnyPotential:
    """Build a module like that of a file, with random weights."""

    def potential() -> Potential:
        return Potential(
            manifest.config,
            manifest.atomic_numbers,
            manifest.reference_energies,
            manifest.energy_scale,
            manifest.average_neighbors,
        )

    committee = manifest.committee
    with torch.random.fork_rng(devices=[]):
        if committee is None:
            return potential()
        if committee.kind == "shallow":
            return _shallow(potential(), committee.n_members)
        return DeepCommittee([potential() for _ in range(committee.n_members)])


def _shallow(potential: Potential, n_members: int) -> ShallowCommittee:
    return ShallowCommittee(potential, torch.zeros(n_members, potential.descriptor_width, dtype=torch.float64))


def in_double(potential: AnyModel) -> AnyModel:
    """Copy of a model in float64, with constants that are not rounded to float32; on the CPU, without gradients."""
    double = _same_kind(potential)
    double.load_state_dict({name: value.detach().cpu().double() for name, value in potential.state_dict().items()})
    if isinstance(double, ShallowCommittee) and next(potential.parameters()).dtype != torch.float64:
        # Rounding to float32 has changed their sum from zero.
        double.deviations.data -= double.deviations.data.mean(0)
    for parameter in double.parameters():
        parameter.requires_grad_(False)
    double.eval()
    return cast(AnyModel, double)


def _same_kind(model: AnyPotential) -> AnyPotential:
    """Build a module of the same kind in float64, with random weights."""
    if isinstance(model, DeepCommittee):
        return DeepCommittee([cast(Potential, _same_kind(cast(Potential, member))) for member in model.members])
    if isinstance(model, ShallowCommittee):
        return _shallow(cast(Potential, _same_kind(model.potential)), model.n_members)
    with torch.random.fork_rng(devices=[]):
        return Potential(
            model.config,
            model.atomic_numbers,
            model.reference_energies.tolist(),
            model.energy_scale,
            model.average_neighbors,
        )


def plain_tensors(potential: AnyPotential) -> dict[str, NDArray[Any]]:
    """Weights and constants of a model by name."""
    tensors = dict(potential.named_parameters()) | dict(potential.named_buffers(remove_duplicate=False))
    for name, module in potential.named_modules():
        if isinstance(module, ZBLRepulsion):  # plain attributes of the module, always float64
            tensors |= {f"{name}.charge": module.charge, f"{name}.radius": module.radius}
    return {_name_in_file(name): tensor.detach().contiguous().numpy() for name, tensor in tensors.items()}


def _name_in_file(name: str) -> str:
    """Name of a tensor in the file: the potential of a shallow committee has the names of a single potential."""
    return name.removeprefix("potential.")


def _manifest(model: AnyPotential, double: AnyPotential, training: dict[str, Any], license: str) -> Manifest:
    try:
        json.dumps(training, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ModelFileError(f"`training` must be plain JSON without NaN: {error}") from error
    dtype = next(model.parameters()).dtype
    precision = next(name for name, known in PRECISIONS.items() if known == dtype)
    potential = main_potential(model)
    return Manifest(
        creator=f"mlpot {__version__}",
        atomic_numbers=potential.atomic_numbers,
        elements=[chemical_symbols[z] for z in potential.atomic_numbers],
        cutoff=potential.cutoff,
        n_layers=potential.n_layers,
        feature_width=model.feature_width,
        message_width=model.message_width,
        n_parameters=sum(parameter.numel() for parameter in model.parameters()),
        precision=precision,
        config=potential.config,
        reference_energies=potential.reference_energies.tolist(),
        energy_scale=potential.energy_scale,
        average_neighbors=potential.average_neighbors,
        training=training,
        license=license,
        self_test=make_self_test(double),
        committee=_committee_info(model),
    )


def _committee_info(potential: AnyPotential) -> CommitteeInfo | None:
    if not isinstance(potential, Committee):
        return None
    kind = "deep" if isinstance(potential, DeepCommittee) else "shallow"
    return CommitteeInfo(kind=kind, n_members=potential.n_members)


def _check_self_test(loaded: ScriptedModel, precision: Precision, device: torch.device | str) -> None:
    path, manifest = loaded.path, loaded.manifest
    graph = graph_from_atoms(manifest.self_test.atoms(), manifest.atomic_numbers, manifest.cutoff).to(device)
    try:
        worst = self_test_deviation(loaded.evaluate(graph), manifest.self_test)
        if manifest.self_test.members is not None:
            members = members_deviation(loaded.evaluate_members(graph), manifest.self_test.members)
            worst = float(np.maximum(worst, members))  # NaN if one is
    except (RuntimeError, AttributeError) as error:
        raise ModelFileError(
            f"{path}: the module in it fails on its self-test structure: {_first_line(error)}"
        ) from error
    allowed = ALLOWED_DEVIATION[precision]
    if not worst <= allowed:
        raise ModelFileError(
            f"{path}: the model disagrees with its own self-test structure: relative deviation {worst:.1e}, "
            f"expected below {allowed:.0e} in {precision} precision; do not use this file on this machine"
        )


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _last_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1].strip()
