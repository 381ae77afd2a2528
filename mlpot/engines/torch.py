"""The torch engine: the scripted module of a model file, on the CPU or a GPU.

Data flow: ASE atoms -> `neighbors.verlet` -> `Graph` -> `model_file.torchscript.ScriptedModel` -> `Results`.
"""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from ase import Atoms

from mlpot.engines.interface import SpeciesIndices
from mlpot.engines.results import DISTANCE_PROPERTIES, MEMBER_PROPERTIES, Property, Results
from mlpot.errors import EngineError
from mlpot.model.derivatives import Prediction
from mlpot.model.graph import Graph, collate
from mlpot.model_file.bundle import ModelBundle
from mlpot.model_file.feature_distance import FeatureDistance, neighborhood_distances
from mlpot.model_file.manifest import Precision
from mlpot.model_file.torchscript import ScriptedModel, load_model
from mlpot.neighbors.matscipy import graph_from_atoms
from mlpot.neighbors.verlet import VerletList

Value = TypeVar("Value")


class TorchEngine:
    """A model in torch; an `Engine`.

    Parameters
    ----------
    model : str, Path or ModelBundle
    device : str
        ``cpu``, ``cuda`` or any other device of torch.
    precision : {"mixed", "double"}, optional
        By default that of the training.
    skin : float, A
        Margin of the neighbor list.

    Attributes
    ----------
    scripted : ScriptedModel
    device : str

    Raises
    ------
    ModelFileError
        As for `mlpot.model_file.torchscript.load_model`.
    EngineError
        A device that is not available.
    """

    member_energies_are_free = False

    def __init__(
        self,
        model: str | Path | ModelBundle,
        device: str = "cpu",
        precision: Precision | None = None,
        skin: float = 0.0,
    ) -> None:
        _check_device(device)
        bundle = model if isinstance(model, ModelBundle) else ModelBundle.read(model)
        with torch.inference_mode(False):  # tensors made in inference mode have no gradient
            self.scripted: ScriptedModel = load_model(bundle, device, precision)
        self.device = device
        self.path, self.manifest = bundle.path, bundle.manifest
        self.name = f"torch {torch.__version__}"
        is_double = next(self.scripted.module.parameters()).dtype == torch.float64
        self.precision: Precision = "double" if is_double else "mixed"
        self._distance: FeatureDistance | None = None
        if bundle.manifest.feature_distance is not None:
            self._distance = bundle.distance()
        self._start(skin)

    def _start(self, skin: float) -> None:
        """Start with an empty neighbor list."""
        self._skin = skin
        self._neighbors = VerletList(self.manifest.cutoff, skin)
        self._species = SpeciesIndices(self.manifest.atomic_numbers)

    @property
    def description(self) -> str:
        """Engine, precision and threads."""
        threads = torch.get_num_threads()
        device = next(self.scripted.module.parameters()).device
        name = f"torch engine ({torch.__version__}, {device})"
        return f"{name}, {self.precision} precision, {threads} thread{'s' if threads > 1 else ''}"

    def compute(self, atoms: Atoms, properties: Collection[Property] = ()) -> Results:
        """Energies and their derivatives of one structure, as `Engine.compute`."""
        committee = self.manifest.committee
        if committee is None and not {*MEMBER_PROPERTIES}.isdisjoint(properties):
            raise EngineError(f"{self.path}: the model is no committee: it has no members")
        if self._distance is None and not {*DISTANCE_PROPERTIES}.isdisjoint(properties):
            raise EngineError(f"{self.path}: the model file has no feature distance")
        if len(atoms) == 0:
            return _results_without_atoms(0 if committee is None else committee.n_members)
        return _with_gradients(lambda: self._compute(atoms, properties))

    def _compute(self, atoms: Atoms, properties: Collection[Property]) -> Results:
        graph = self._graph(atoms)
        results = _in_numpy(self.scripted.evaluate(graph, atomic_virials="atomic_virials" in properties))
        if not {*MEMBER_PROPERTIES}.isdisjoint(properties):
            energy, _, forces, virial = (tensor.cpu().numpy() for tensor in self.scripted.evaluate_members(graph))
            results = results._replace(member_energies=energy[:, 0], member_forces=forces, member_virials=virial[:, 0])
        if {*DISTANCE_PROPERTIES, "descriptors"}.isdisjoint(properties):
            return results
        results = results._replace(descriptors=self.scripted.descriptors(graph).cpu().numpy().astype(np.float64))
        return results if {*DISTANCE_PROPERTIES}.isdisjoint(properties) else self._with_distances(results, atoms, graph)

    def _with_distances(self, results: Results, atoms: Atoms, graph: Graph) -> Results:
        if self._distance is None or results.descriptors is None:
            return results
        distances = self._distance.of(results.descriptors, self._species.of(atoms))
        edges = graph.edge_index.cpu().numpy(), graph.edge_vectors.cpu().numpy()
        around = neighborhood_distances(distances, *edges, self.manifest.cutoff)
        return results._replace(feature_distances=distances, neighborhood_distances=around)

    def _graph(self, atoms: Atoms) -> Graph:
        species = torch.from_numpy(self._species.of(atoms)).long()
        edge_index, edge_vectors = (torch.from_numpy(array) for array in self._neighbors.edges(atoms))
        graph = Graph(species, edge_index, edge_vectors, torch.zeros(len(atoms), dtype=torch.int64), 1)
        return graph if self.device == "cpu" else graph.to(self.device)

    def compute_batch(self, structures: Sequence[Atoms]) -> list[Results]:
        """Energies and their derivatives of several structures, as one graph."""
        known, cutoff = self.manifest.atomic_numbers, self.manifest.cutoff
        graph = collate([graph_from_atoms(atoms, known, cutoff) for atoms in structures]).to(self.device)
        prediction = _with_gradients(lambda: self.scripted.evaluate(graph))
        energy, energies, forces, virial = (tensor.cpu().numpy() for tensor in prediction[:4])
        first = np.cumsum([0, *(len(atoms) for atoms in structures)])
        return [
            Results(float(energy[k]), energies[own], forces[own], virial[k])
            for k, own in enumerate(map(slice, first[:-1], first[1:]))
        ]

    def copy(self) -> "TorchEngine":
        """Another engine with the same model and its own neighbor list."""
        other = object.__new__(TorchEngine)
        other.__dict__.update(self.__dict__)
        other._start(self._skin)
        return other


def _check_device(device: str) -> None:
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise EngineError(
            f"device {device!r} cannot be used: {reason}. Use device='cpu', or check the GPU with `mlpot doctor`"
        ) from error


def _with_gradients(action: Callable[[], Value]) -> Value:
    """Run an action outside of the caller's `torch.inference_mode`, in which forces have no gradient."""
    with torch.inference_mode(False):
        return action()


def _in_numpy(prediction: Prediction) -> Results:
    per_atom = prediction.atomic_virials
    return Results(
        float(prediction.energy[0]),
        prediction.atomic_energies.cpu().numpy(),
        prediction.forces.cpu().numpy(),
        prediction.virial[0].cpu().numpy(),
        None if per_atom is None else per_atom.cpu().numpy(),
    )


def _results_without_atoms(n_members: int) -> Results:
    """Results for no atoms, which modules in files need not support."""
    members = np.zeros(n_members), np.zeros((n_members, 0, 3)), np.zeros((n_members, 3, 3))
    empty = np.zeros(0), np.zeros(0), np.zeros((0, 0))
    return Results(0.0, np.zeros(0), np.zeros((0, 3)), np.zeros((3, 3)), np.zeros((0, 3, 3)), *members, *empty)
