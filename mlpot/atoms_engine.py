"""A model and a neighbour list for one structure that moves: what `calculator` asks at every step.

Data flow: ASE atoms -> `skin` or `neighbor_rows` (neighbours, kept between calls) -> `engine` (native or torch)
-> `AtomsAnswer`. Both engines give the same numbers; the native one gets by without torch being loaded.
"""

from typing import TYPE_CHECKING, Protocol

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from mlpot.engine import AtomsAnswer, NativeModel
from mlpot.neighbor_rows import SkinRows
from mlpot.neighbors import species_of
from mlpot.skin import SkinNeighborList

if TYPE_CHECKING:
    from mlpot.export import LoadedModel
    from mlpot.model.derivatives import Prediction


class AtomsEngine(Protocol):
    """What both engines can do."""

    def compute(self, atoms: Atoms, *, atomic_virials: bool = False) -> AtomsAnswer:
        """Energies and their derivatives; what is not finite is given back as it is."""

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

    def compute(self, atoms: Atoms, *, atomic_virials: bool = False) -> AtomsAnswer:
        """Energies and their derivatives.

        Parameters
        ----------
        atoms : ase.Atoms
        atomic_virials : bool
            Also share the virial among the atoms.

        Returns
        -------
        AtomsAnswer

        Raises
        ------
        DataError
            Atoms that no engine can compute.
        """
        species = self._species.of(atoms)
        return self._model.compute(species, atoms.positions, self._neighbors.rows(atoms), atomic_virials=atomic_virials)

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

    def compute(self, atoms: Atoms, *, atomic_virials: bool = False) -> AtomsAnswer:
        """Energies and their derivatives.

        Parameters
        ----------
        atoms : ase.Atoms
        atomic_virials : bool
            Also share the virial among the atoms.

        Returns
        -------
        AtomsAnswer

        Raises
        ------
        DataError
            Atoms that no engine can compute.
        """
        import torch  # noqa: PLC0415  # the native engine does without

        from mlpot.graph import Graph  # noqa: PLC0415

        if len(atoms) == 0:
            return _answer_of_nothing()
        # A caller's inference_mode must not reach the gradient that makes the forces.
        with torch.inference_mode(False):
            species = torch.from_numpy(self._species.of(atoms)).long()
            edge_index, edge_vectors = (torch.from_numpy(array) for array in self._neighbors.edges(atoms))
            batch = torch.zeros(len(atoms), dtype=torch.int64)
            graph = Graph(species, edge_index, edge_vectors, batch, 1)
            if self._device != "cpu":
                graph = graph.to(self._device)
            return _in_numpy(self._model.evaluate(graph, atomic_virials=atomic_virials))

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


def _answer_of_nothing() -> AtomsAnswer:
    """Zeros for no atoms, of which modules in files need not know."""
    return AtomsAnswer(0.0, np.zeros(0), np.zeros((0, 3)), np.zeros((3, 3)), np.zeros((0, 3, 3)))
