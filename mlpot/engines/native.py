"""The native engine: a model evaluated by the C++ of ``plugins/native``, without torch.

Data flow: ASE atoms -> `neighbors.native` (neighbor list in C++, kept between calls) -> `mlpot._native` -> `Results`.
The engine stores no arrays of the size of the edges and no autograd graph, so it is many times faster than torch. It
runs on the CPU and has no second derivatives.
"""

import importlib.metadata
import importlib.util
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms

import mlpot
from mlpot.engines.interface import SpeciesIndices
from mlpot.engines.results import FloatArray, Property, Results
from mlpot.errors import EngineError, ModelFileError
from mlpot.model_file.bundle import ModelBundle
from mlpot.model_file.manifest import Manifest, Precision
from mlpot.neighbors.matscipy import neighbor_list, species_of
from mlpot.neighbors.native import NativeVerletList
from mlpot.running.cores import default_threads, warn_of_threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlpot._native import NeighborList

    EdgeArrays = tuple[NDArray[np.int64], NDArray[np.int64], FloatArray, NDArray[np.int64]]

NOT_BUILT = (
    "the compiled native engine of mlpot is not found next to its Python files: install mlpot with pip, and in a clone "
    "with `pip install -e .` (a plain `pip install .` builds the engine into the environment, but Python started in "
    "the clone imports the source folder)"
)


class NativeEngine:
    """A model in the native engine; an `Engine`.

    Several Python threads may use one model, one at a time, each through its own `copy`. The interpreter lock is
    released during an evaluation. `fork` waits for evaluations in progress.

    Parameters
    ----------
    model : str, Path or ModelBundle
    precision : {"mixed", "double"}, optional
        Arithmetic in float32 or float64; by default that of the training. Positions, edge vectors, energies and
        their sums are float64 in both.
    threads : int, optional
        Threads over the atoms; by default `mlpot.running.cores.default_threads`.
    skin : float, A
        Margin of the neighbor list.

    Attributes
    ----------
    threads : int
        Fewer than requested where the system refuses to create them; results are the same.

    Raises
    ------
    ModelFileError
        As for `mlpot.model_file.torchscript.load_model`.
    EngineError
        The engine is not built.
    """

    member_energies_are_free = True

    def __init__(
        self,
        model: str | Path | ModelBundle,
        precision: Precision | None = None,
        threads: int | None = None,
        skin: float = 0.0,
    ) -> None:
        if not is_built():
            raise EngineError(f"{NOT_BUILT}; or choose engine='torch'")
        from mlpot._native import NativeEngine as CompiledEngine  # noqa: PLC0415  # there may be none

        bundle = model if isinstance(model, ModelBundle) else ModelBundle.read(model)
        self.path = bundle.path
        self.manifest: Manifest = bundle.manifest
        requested = default_threads() if threads is None else threads
        try:
            self._engine = CompiledEngine(bundle.content, str(self.path), precision or "", requested)
        except RuntimeError as error:
            raise ModelFileError(str(error)) from error
        self.threads: int = self._engine.n_threads
        warn_of_threads(requested, self.threads)
        self.name: str = self._engine.name
        self.precision: Precision = self._engine.precision
        self._start(skin)

    def _start(self, skin: float) -> None:
        """Start with an empty neighbor list."""
        self._skin = skin
        self._neighbors = NativeVerletList(self.manifest.cutoff, skin)
        self._species = SpeciesIndices(self.manifest.atomic_numbers)

    @property
    def description(self) -> str:
        """Engine, precision and threads."""
        name = self.name.replace("native", "native engine")
        return f"{name}, {self.precision} precision, {self.threads} thread{'s' if self.threads > 1 else ''}"

    def compute(self, atoms: Atoms, properties: Collection[Property] = ()) -> Results:
        """Energies and their derivatives of one structure, as `Engine.compute`.

        Energies of the members take almost no time, their forces and virials that of one or two more evaluations.
        """
        species = self._species.of(atoms)
        return self.evaluate(species, atoms.positions, self._neighbors.of(atoms), properties)

    def compute_batch(self, structures: Sequence[Atoms]) -> list[Results]:
        """Energies and their derivatives of several structures, in one call of the engine."""
        sizes = [len(atoms) for atoms in structures]
        first = np.cumsum([0, *sizes])
        species = np.concatenate([species_of(atoms, self.manifest.atomic_numbers) for atoms in structures])
        pairs = self._list_of_vectors([neighbor_list(atoms, self.manifest.cutoff) for atoms in structures], first)
        properties: tuple[Property, ...] = () if len(structures) == 1 else ("atomic_virials",)
        together = self.evaluate(species.astype(np.int32), np.zeros((len(species), 3)), pairs, properties)
        if together.atomic_virials is None:
            return [together]
        owner = np.repeat(np.arange(len(sizes)), sizes)
        energies, virials = np.zeros(len(sizes)), np.zeros((len(sizes), 3, 3))
        np.add.at(energies, owner, together.atomic_energies)
        np.add.at(virials, owner, together.atomic_virials)
        return [
            Results(float(energies[k]), together.atomic_energies[own], together.forces[own], virials[k])
            for k, own in enumerate(map(slice, first[:-1], first[1:]))
        ]

    def evaluate(
        self,
        species: "NDArray[np.int32]",
        positions: FloatArray,
        neighbors: "NeighborList",
        properties: Collection[Property] = (),
    ) -> Results:
        """Energies and their derivatives of atoms with a given neighbor list.

        Parameters
        ----------
        species : (n_atoms,)
            Index of each atom's element in the manifest.
        positions : (n_atoms, 3), A
        neighbors : mlpot._native.NeighborList
            All pairs inside the cutoff; pairs beyond it are ignored.
        properties : collection of str
            As of `Engine.compute`.
        """
        try:
            return Results(**self._engine.evaluate(species, positions, neighbors, list(properties)))
        except RuntimeError as error:
            raise EngineError(f"{self.path}: {error}") from error

    @staticmethod
    def _list_of_vectors(lists: "list[EdgeArrays]", first: "NDArray[np.int64]") -> "NeighborList":
        """Join neighbor lists of structures whose atoms begin at `first`."""
        from mlpot._native import NeighborList  # noqa: PLC0415

        centers, neighbors = (
            np.concatenate([one[k] + start for one, start in zip(lists, first, strict=False)]) for k in (0, 1)
        )
        counts = np.bincount(centers, minlength=int(first[-1])).astype(np.int32)
        vectors = np.concatenate([one[2] for one in lists])
        return NeighborList.from_vectors(counts, neighbors.astype(np.int32), np.ascontiguousarray(vectors))

    def copy(self) -> "NativeEngine":
        """Another engine with the same model and its own neighbor list."""
        other = object.__new__(NativeEngine)
        other.__dict__.update(self.__dict__)
        other._start(self._skin)
        return other


def is_built() -> bool:
    """Whether the compiled engine can be imported.

    Python started in a clone imports the source folder instead of the installed package. The engine of the installed
    package is then used, if it has the same version.
    """
    if importlib.util.find_spec("mlpot._native") is not None:
        return True
    folder = _installed_package()
    if folder is None or not any(folder.glob("_native*")):
        return False
    mlpot.__path__.append(str(folder))
    importlib.invalidate_caches()
    return importlib.util.find_spec("mlpot._native") is not None


def _installed_package() -> Path | None:
    """Folder of an installation of this version of mlpot that is not the imported package itself."""
    for distribution in importlib.metadata.distributions(name="mlpot"):
        folder = Path(str(distribution.locate_file("mlpot")))
        if distribution.version == mlpot.__version__ and folder.is_dir() and str(folder) not in mlpot.__path__:
            return folder
    return None
