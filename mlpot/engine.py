"""Python face of the native engine: `model.pt` evaluated by the C++ of ``plugins/native``, without libtorch.

Data flow: `Graph` -> `NativeModel.evaluate` -> `Prediction`, the same numbers as `mlpot.export.LoadedModel.evaluate`
gives with torch, of which it takes the place in the calculator. Neither stores anything of the size of the edges nor
builds a graph of operations, so it is many times faster; it runs on the CPU only and has no second derivatives.
"""

import importlib.util
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from mlpot.errors import EngineError, ModelFileError
from mlpot.export import LoadedModel, Manifest, Precision, load_model, read_manifest
from mlpot.graph import Graph
from mlpot.model.derivatives import Prediction

EngineName = Literal["native", "torch"]


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
        Threads over the atoms; by default as many as torch uses.

    Attributes
    ----------
    manifest : Manifest
    path : Path
    name : str
        Name of the engine with the instruction set that it chose.

    Raises
    ------
    ModelFileError
        As for `mlpot.export.load_model`; also a file from before the native engine.
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
        try:
            self._engine = NativeEngine(str(path), precision or "", threads or torch.get_num_threads())
        except RuntimeError as error:
            raise ModelFileError(str(error)) from error
        self.name: str = self._engine.name

    def evaluate(self, graph: Graph, *, atomic_virials: bool = False) -> Prediction:
        """Energies and their derivatives.

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
        n_atoms = len(graph.species)
        edge_index = graph.edge_index.numpy()
        if (edge_index[0, 1:] < edge_index[0, :-1]).any():
            raise EngineError("`edge_index[0]` must be non-decreasing, got centres out of order: sort the edges")
        several = graph.n_structures != 1
        answer = self._engine.evaluate(
            graph.species.numpy().astype(np.int32),
            np.zeros((n_atoms, 3)),
            np.searchsorted(edge_index[0], np.arange(n_atoms + 1)),
            edge_index[1].astype(np.int32),
            np.ascontiguousarray(graph.edge_vectors.numpy()),
            atomic_virials or several,
        )
        atomic_energies = torch.from_numpy(answer["atomic_energies"])
        shares = torch.from_numpy(answer["atomic_virials"]) if atomic_virials or several else None
        energy, virial = (
            torch.tensor([answer["energy"]], dtype=torch.float64),
            torch.from_numpy(answer["virial"]).unsqueeze(0),
        )
        if several and shares is not None:
            energy = torch.zeros(graph.n_structures, dtype=torch.float64).index_add(0, graph.batch, atomic_energies)
            virial = torch.zeros(graph.n_structures, 3, 3, dtype=torch.float64).index_add(0, graph.batch, shares)
        return Prediction(
            energy,
            atomic_energies,
            torch.from_numpy(answer["forces"]),
            virial,
            shares if atomic_virials else None,
        )


def is_built() -> bool:
    """Whether this installation has the native engine.

    Returns
    -------
    bool
    """
    return importlib.util.find_spec("mlpot._native") is not None


def open_model(
    path: str | Path, engine: EngineName | None, device: str, precision: Precision | None
) -> LoadedModel | NativeModel:
    """Open a model file in an engine.

    Parameters
    ----------
    path : str or Path
    engine : {"native", "torch"}, optional
        None: native on the CPU where it is built, else torch.
    device : str
        Device of torch; the native engine runs on ``cpu``.
    precision : {"mixed", "double"}, optional

    Returns
    -------
    LoadedModel or NativeModel
    """
    chosen = engine or ("native" if device == "cpu" and is_built() else "torch")
    if chosen == "torch":
        return load_model(path, device=device, precision=precision)
    if chosen != "native":
        raise EngineError(f"`engine` must be native or torch, got {chosen!r}")
    if device != "cpu":
        raise EngineError(f"the native engine runs on the cpu, got device {device!r}: choose engine='torch'")
    return NativeModel(path, precision)
