"""A model and a neighbour list for one structure that moves: what `calculator` asks at every step.

Data flow: ASE atoms -> `skin` or `neighbor_rows` (neighbours, kept between calls) -> `engine` (native or torch)
-> `AtomsAnswer`. Both engines give the same numbers; the native one gets by without torch being loaded.
"""

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from mlpot.engines.native import MEMBERS, AtomsAnswer, Extra, NativeModel
from mlpot.errors import EngineError
from mlpot.model_file.feature_distance import FeatureDistance, distance_from_file, neighborhood_distances
from mlpot.neighbors.matscipy import FloatArray, species_of
from mlpot.neighbors.native import SkinRows
from mlpot.neighbors.verlet import SkinNeighborList

if TYPE_CHECKING:
    from mlpot.model.derivatives import Prediction
    from mlpot.model.graph import Graph
    from mlpot.model_file.torchscript import LoadedModel


Answer = TypeVar("Answer")


class AtomsEngine(Protocol):
    """What both engines can do."""

    def compute(self, atoms: Atoms, extras: Collection[Extra] = ()) -> AtomsAnswer:
        """Energies and their derivatives, and what else is wanted; what is not finite is given back as it is."""

    def twin(self) -> "AtomsEngine":
        """Another one with the same model and no list."""


class _Species:
    """Indices of the elements, looked up again only for other atoms."""

    def __init__(self, atomic_numbers: list[int]) -> None:
        self._known = atomic_numbers
        self._numbers: NDArray[np.int64] | None = None
        self._species = np.zeros(0, dtype=np.int32)

    def of(self, atoms: Atoms) -> NDArray[np.int32]:
        if self._numbers is None or not np.array_equal(self._numbers, atoms.numbers):
            self._species = species_of(atoms, self._known).astype(np.int32)
            self._numbers = atoms.numbers.copy()
        return self._species


class NativeAtomsEngine:
    """The native engine.

    Parameters
    ----------
    model : NativeModel
    skin : float, A
    """

    def __init__(self, model: NativeModel, skin: float) -> None:
        self._model, self._width = model, skin
        self._neighbors = SkinRows(model.manifest.cutoff, skin)
        self._species = _Species(model.manifest.atomic_numbers)

    def compute(self, atoms: Atoms, extras: Collection[Extra] = ()) -> AtomsAnswer:
        """Energies and their derivatives.

        Parameters
        ----------
        atoms : ase.Atoms
        extras : collection of str
            What else is wanted.

        Returns
        -------
        AtomsAnswer

        Raises
        ------
        DataError
            Atoms that no engine can compute.
        EngineError
            Extras that the model file does not have.
        """
        species = self._species.of(atoms)
        return self._model.compute(species, atoms.positions, self._neighbors.rows(atoms), extras)

    def twin(self) -> "NativeAtomsEngine":
        """Another one with the same model and no list.

        Returns
        -------
        NativeAtomsEngine
        """
        return NativeAtomsEngine(self._model, self._width)


class TorchAtomsEngine:
    """The torch engine.

    Parameters
    ----------
    model : LoadedModel
    skin : float, A
    device : str
    """

    def __init__(self, model: "LoadedModel", skin: float, device: str) -> None:
        self._model, self._width, self._device = model, skin, device
        self._neighbors = SkinNeighborList(model.manifest.cutoff, skin)
        self._species = _Species(model.manifest.atomic_numbers)
        self._distance: FeatureDistance | None = None

    def compute(self, atoms: Atoms, extras: Collection[Extra] = ()) -> AtomsAnswer:
        """Energies and their derivatives.

        Parameters
        ----------
        atoms : ase.Atoms
        extras : collection of str
            What else is wanted.

        Returns
        -------
        AtomsAnswer

        Raises
        ------
        DataError
            Atoms that no engine can compute.
        EngineError
            Extras that the model file does not have.
        """
        committee = self._model.manifest.committee
        if committee is None and not {*MEMBERS}.isdisjoint(extras):
            raise EngineError(f"{self._model.path}: the model is a single one, not a committee: it has no members")
        if len(atoms) == 0:
            return _answer_of_nothing(0 if committee is None else committee.n_members)
        return self._outside_of_inference(lambda: self._answer(atoms, extras))

    def _answer(self, atoms: Atoms, extras: Collection[Extra]) -> AtomsAnswer:
        model, graph = self._model, self._graph(atoms)
        answer = _in_numpy(model.evaluate(graph, atomic_virials="atomic_virials" in extras))
        if not {*MEMBERS}.isdisjoint(extras):
            energy, _, forces, virial = (tensor.cpu().numpy() for tensor in model.evaluate_members(graph))
            answer = answer._replace(member_energies=energy[:, 0], member_forces=forces, member_virials=virial[:, 0])
        distances: set[Extra] = {"feature_distances", "neighborhood_distances"}
        if (distances | {"descriptors"}).isdisjoint(extras):
            return answer
        descriptors = model.descriptors(graph).cpu().numpy().astype(np.float64)
        answer = answer._replace(descriptors=descriptors)
        return answer if distances.isdisjoint(extras) else self._with_distances(answer, descriptors, atoms, graph)

    def _with_distances(
        self, answer: AtomsAnswer, descriptors: FloatArray, atoms: Atoms, graph: "Graph"
    ) -> AtomsAnswer:
        if self._distance is None:
            self._distance = distance_from_file(self._model.path)
        distances = self._distance.of(descriptors, self._species.of(atoms))
        edges = graph.edge_index.cpu().numpy(), graph.edge_vectors.cpu().numpy()
        around = neighborhood_distances(distances, *edges, self._model.manifest.cutoff)
        return answer._replace(feature_distances=distances, neighborhood_distances=around)

    @staticmethod
    def _outside_of_inference(action: Callable[[], Answer]) -> Answer:
        """Run an action where the caller's inference_mode does not reach the gradient that makes the forces."""
        import torch  # noqa: PLC0415  # the native engine does without

        with torch.inference_mode(False):
            return action()

    def _graph(self, atoms: Atoms) -> "Graph":
        import torch  # noqa: PLC0415

        from mlpot.model.graph import Graph  # noqa: PLC0415

        species = torch.from_numpy(self._species.of(atoms)).long()
        edge_index, edge_vectors = (torch.from_numpy(array) for array in self._neighbors.edges(atoms))
        graph = Graph(species, edge_index, edge_vectors, torch.zeros(len(atoms), dtype=torch.int64), 1)
        return graph if self._device == "cpu" else graph.to(self._device)

    def twin(self) -> "TorchAtomsEngine":
        """Another one with the same model and no list.

        Returns
        -------
        TorchAtomsEngine
        """
        return TorchAtomsEngine(self._model, self._width, self._device)


def atoms_engine(model: "LoadedModel | NativeModel", skin: float, device: str) -> AtomsEngine:
    """Pair a model with a neighbour list, in the engine that it was opened in.

    Parameters
    ----------
    model : LoadedModel or NativeModel
    skin : float, A
        Margin of the neighbour list.
    device : str

    Returns
    -------
    AtomsEngine
    """
    return NativeAtomsEngine(model, skin) if isinstance(model, NativeModel) else TorchAtomsEngine(model, skin, device)


def _in_numpy(prediction: "Prediction") -> AtomsAnswer:
    shares = prediction.atomic_virials
    return AtomsAnswer(
        float(prediction.energy[0]),
        prediction.atomic_energies.cpu().numpy(),
        prediction.forces.cpu().numpy(),
        prediction.virial[0].cpu().numpy(),
        None if shares is None else shares.cpu().numpy(),
    )


def _answer_of_nothing(n_members: int) -> AtomsAnswer:
    """Zeros for no atoms, of which modules in files need not know."""
    none = AtomsAnswer(0.0, np.zeros(0), np.zeros((0, 3)), np.zeros((3, 3)), np.zeros((0, 3, 3)))
    members = np.zeros(n_members), np.zeros((n_members, 0, 3)), np.zeros((n_members, 3, 3))
    return AtomsAnswer(*none[:5], *members, np.zeros(0), np.zeros(0), np.zeros((0, 0)))
