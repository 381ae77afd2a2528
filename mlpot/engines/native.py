"""Python face of the native engine: `model.pt` evaluated by the C++ of ``plugins/native``, without libtorch.

Data flow: species, positions, neighbours -> `NativeModel.compute` -> `AtomsAnswer` for one structure that moves, all
NumPy; or `Graph` -> `NativeModel.evaluate` -> `Prediction`, in the place of `LoadedModel.evaluate`. The engine stores
nothing of the size of the edges and builds no graph of operations, so it is many times faster than
torch; it runs on the CPU only and has no second derivatives. Torch is loaded only where it is asked for.
"""

import importlib.util
import logging
import os
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from mlpot.engines.results import MembersAnswer
from mlpot.errors import EngineError, ModelFileError
from mlpot.model_file.manifest import Manifest, Precision, read_manifest
from mlpot.neighbors.matscipy import FloatArray

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlpot._native import NeighborList
    from mlpot.model.derivatives import Prediction
    from mlpot.model.graph import Graph
    from mlpot.model_file.torchscript import LoadedModel

EngineName = Literal["native", "torch"]
Extra = Literal[
    "atomic_virials",
    "member_energies",
    "member_forces",
    "member_virials",
    "feature_distances",
    "neighborhood_distances",
    "descriptors",
]
"""What an engine computes where it is asked for: fields of `AtomsAnswer`."""

MEMBERS: tuple[Extra, ...] = ("member_energies", "member_forces", "member_virials")
LOGGER = logging.getLogger("mlpot")


class AtomsAnswer(NamedTuple):
    """What an engine says of one structure.

    Attributes
    ----------
    energy : float, eV
    atomic_energies : (n_atoms,), eV
    forces : (n_atoms, 3), eV/A
    virial : (3, 3), eV
        ``-dE/dstrain``.
    atomic_virials : (n_atoms, 3, 3), eV, or None
        As of `mlpot.model.derivatives.Prediction`.
    member_energies : (n_members,), eV, or None
        As each member of a committee has it, like the next two.
    member_forces : (n_members, n_atoms, 3), eV/A, or None
    member_virials : (n_members, 3, 3), eV, or None
    feature_distances : (n_atoms,), or None
        From the training set; infinite for an element that was not part of it.
    neighborhood_distances : (n_atoms,), or None
        As `mlpot.model_file.feature_distance.neighborhood_distances` has them.
    descriptors : (n_atoms, descriptor_width), or None
    """

    energy: float
    atomic_energies: FloatArray
    forces: FloatArray
    virial: FloatArray
    atomic_virials: FloatArray | None = None
    member_energies: FloatArray | None = None
    member_forces: FloatArray | None = None
    member_virials: FloatArray | None = None
    feature_distances: FloatArray | None = None
    neighborhood_distances: FloatArray | None = None
    descriptors: FloatArray | None = None

    def members(self) -> MembersAnswer:
        """Collect what the members say; all of it must have been asked for."""
        energies, forces, virials = self.member_energies, self.member_forces, self.member_virials
        if energies is None or forces is None or virials is None:
            raise EngineError("the members of the committee were not asked for")
        return MembersAnswer(energies, forces, virials)


class NativeModel:
    """A model file in the native engine.

    Several Python threads may use one model; they take turns. Other threads run while it computes.

    Parameters
    ----------
    path : str or Path
    precision : {"mixed", "double"}, optional
        Arithmetic in float32 or float64; by default what the model was trained in. Positions, edge vectors,
        energies and their sums are float64 in both.
    threads : int, optional
        Threads over the atoms; by default as of `default_threads`.

    Attributes
    ----------
    manifest : Manifest
    path : Path
    name : str
        Name of the engine with the instruction set that it chose.
    precision : {"mixed", "double"}
    threads : int

    Raises
    ------
    ModelFileError
        As for `mlpot.model_file.torchscript.load_model`; also a file from before the native engine.
    EngineError
        The engine is not built.
    """

    def __init__(self, path: str | Path, precision: Precision | None = None, threads: int | None = None) -> None:
        if not is_built():
            raise EngineError(
                "the native engine is not built into this installation of mlpot: install mlpot with pip (not just its "
                "folder on the path), or choose engine='torch'"
            )
        from mlpot._native import NativeEngine  # noqa: PLC0415  # there may be none

        self.path = Path(path)
        self.manifest: Manifest = read_manifest(path)
        self.threads = default_threads() if threads is None else threads
        try:
            self._engine = NativeEngine(str(path), precision or "", self.threads)
        except RuntimeError as error:
            raise ModelFileError(str(error)) from error
        self.name: str = self._engine.name
        self.precision: Precision = self._engine.precision

    def compute(
        self,
        species: "NDArray[np.int32]",
        positions: FloatArray,
        rows: "NeighborList",
        extras: Collection[Extra] = (),
    ) -> AtomsAnswer:
        """Energies and their derivatives of one structure.

        Parameters
        ----------
        species : (n_atoms,)
            Index of each atom's element in the manifest's.
        positions : (n_atoms, 3), A
        rows : mlpot._native.NeighborList
            All pairs inside the cutoff; those beyond it do no harm.
        extras : collection of str
            What else is wanted. Energies of the members cost next to nothing, their forces and virials as much as one
            evaluation or two, in the same call.

        Returns
        -------
        AtomsAnswer
            What is not finite is given back as it is.

        Raises
        ------
        EngineError
            Extras that the model file does not have.
        """
        try:
            return AtomsAnswer(**self._engine.evaluate(species, positions, rows, list(extras)))
        except RuntimeError as error:
            raise EngineError(f"{self.path}: {error}") from error

    def evaluate(self, graph: "Graph", *, atomic_virials: bool = False) -> "Prediction":
        """Energies and their derivatives of structures in a graph.

        Parameters
        ----------
        graph : Graph
        atomic_virials : bool
            Also share the virial among the atoms.

        Returns
        -------
        Prediction
            What is not finite is given back as it is.
        """
        import torch  # noqa: PLC0415

        from mlpot.model.derivatives import Prediction  # noqa: PLC0415

        several = graph.n_structures != 1
        extras: set[Extra] = {"atomic_virials"} if atomic_virials or several else set()
        n_atoms = len(graph.species)
        answer = self.compute(
            graph.species.numpy().astype(np.int32),
            np.zeros((n_atoms, 3)),
            _rows_of(graph),
            extras,
        )
        atomic_energies = torch.from_numpy(answer.atomic_energies)
        shares = None if answer.atomic_virials is None else torch.from_numpy(answer.atomic_virials)
        energy = torch.tensor([answer.energy], dtype=torch.float64)
        virial = torch.from_numpy(answer.virial).unsqueeze(0)
        if several and shares is not None:
            energy = torch.zeros(graph.n_structures, dtype=torch.float64).index_add(0, graph.batch, atomic_energies)
            virial = torch.zeros(graph.n_structures, 3, 3, dtype=torch.float64).index_add(0, graph.batch, shares)
        forces = torch.from_numpy(answer.forces)
        return Prediction(energy, atomic_energies, forces, virial, shares if atomic_virials else None)


def _rows_of(graph: "Graph") -> "NeighborList":
    from mlpot._native import NeighborList  # noqa: PLC0415

    center, neighbor = graph.edge_index.numpy()
    if (center[1:] < center[:-1]).any():
        raise EngineError("`edge_index[0]` must be non-decreasing, got centres out of order: sort the edges")
    counts = np.bincount(center, minlength=len(graph.species))
    return NeighborList.from_vectors(
        counts.astype(np.int32), neighbor.astype(np.int32), np.ascontiguousarray(graph.edge_vectors.numpy())
    )


def is_built() -> bool:
    """Whether this installation has the native engine.

    Returns
    -------
    bool
    """
    return importlib.util.find_spec("mlpot._native") is not None


def default_threads() -> int:
    """Threads that an engine takes if it is not told: ``OMP_NUM_THREADS``, else one for each core it may use.

    Returns
    -------
    int
    """
    wanted = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if wanted.isdigit() and int(wanted) > 0:
        return int(wanted)
    if not hasattr(os, "sched_getaffinity"):  # macOS
        return os.cpu_count() or 1
    cores = {_core_of(processor) for processor in os.sched_getaffinity(0)}
    return max(len(cores), 1)


def _core_of(processor: int) -> str:
    """Name of the core that a logical processor belongs to: those of one core share its arithmetic units."""
    try:
        return Path(f"/sys/devices/system/cpu/cpu{processor}/topology/thread_siblings_list").read_text()
    except OSError:
        return str(processor)


def open_model(
    path: str | Path,
    engine: EngineName | None,
    device: str,
    precision: Precision | None,
    threads: int | None = None,
) -> "LoadedModel | NativeModel":
    """Open a model file in an engine, and say in the log which one it is.

    Parameters
    ----------
    path : str or Path
    engine : {"native", "torch"}, optional
        None: native on the CPU where it is built, else torch.
    device : str
        Device of torch; the native engine runs on ``cpu``.
    precision : {"mixed", "double"}, optional
    threads : int, optional
        Of the native engine, as of `NativeModel`; torch has a setting of its own.

    Returns
    -------
    LoadedModel or NativeModel

    Raises
    ------
    EngineError
        An engine that is not there, or cannot do what is asked for.
    """
    model = _open(path, engine, device, precision, threads)
    LOGGER.info("%s: %s", path, engine_description(model))
    return model


def _open(
    path: str | Path, engine: EngineName | None, device: str, precision: Precision | None, threads: int | None
) -> "LoadedModel | NativeModel":
    if engine not in (None, "native", "torch"):
        raise EngineError(f"`engine` must be native or torch, got {engine!r}")
    if threads is not None and threads < 1:
        raise EngineError(f"`threads` must be at least 1, got {threads}")
    if engine == "native" and device != "cpu":
        raise EngineError(f"the native engine runs on the cpu, got device {device!r}: choose engine='torch'")
    if engine == "native" or (engine is None and device == "cpu" and is_built()):
        return NativeModel(path, precision, threads)
    if threads is not None:
        raise EngineError("`threads` is for the native engine; those of torch are set by torch.set_num_threads")
    if engine is None and device == "cpu":
        LOGGER.warning(
            "the native engine is not built into this installation of mlpot; torch computes instead, many times "
            "slower. Install mlpot with pip (not just its folder on the path), or choose engine='torch'"
        )
    return _open_in_torch(path, device, precision)


def _open_in_torch(path: str | Path, device: str, precision: Precision | None) -> "LoadedModel":
    import torch  # noqa: PLC0415

    from mlpot.model_file.torchscript import load_model  # noqa: PLC0415

    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise EngineError(
            f"device {device!r} cannot be used: {reason}. Use device='cpu', or ask `mlpot doctor` about the GPU"
        ) from error
    with torch.inference_mode(False):  # tensors made in the caller's would never give a gradient
        return load_model(path, device=device, precision=precision)


def engine_description(model: "LoadedModel | NativeModel") -> str:
    """Engine, precision and threads of a model, in words.

    Parameters
    ----------
    model : LoadedModel or NativeModel

    Returns
    -------
    str
        Such as ``native engine (avx512), mixed precision, 1 thread``.
    """
    if isinstance(model, NativeModel):
        name, precision, threads = model.name.replace("native", "native engine"), model.precision, model.threads
    else:
        import torch  # noqa: PLC0415

        parameter = next(model.module.parameters())
        name = f"torch engine ({torch.__version__}, {parameter.device})"
        precision = "double" if parameter.dtype == torch.float64 else "mixed"
        threads = torch.get_num_threads()
    return f"{name}, {precision} precision, {threads} thread{'s' if threads > 1 else ''}"
