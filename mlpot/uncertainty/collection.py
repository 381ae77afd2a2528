"""A model run over a data set: its errors beside its spreads and feature distances.

Data flow: labelled structures -> `atoms_engine` -> `ErrorTable`; structures -> descriptors -> `FeatureDistance`.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mlpot.data import LabelledStructure
from mlpot.engines.atoms_engine import AtomsEngine, atoms_engine
from mlpot.engines.native import MEMBERS, Extra
from mlpot.errors import DataError
from mlpot.model_file.feature_distance import FeatureDistance
from mlpot.model_file.manifest import Manifest
from mlpot.neighbors.matscipy import species_of
from mlpot.uncertainty.distance import fit_distance
from mlpot.uncertainty.quality import ErrorTable
from mlpot.uncertainty.spread import spread_of

if TYPE_CHECKING:
    from mlpot.engines.native import NativeModel
    from mlpot.model_file.torchscript import LoadedModel

FloatArray = NDArray[np.float64]
Progress = Callable[[], None]


def collect_errors(
    model: "LoadedModel | NativeModel",
    structures: Iterable[LabelledStructure],
    *,
    device: str = "cpu",
    on_structure: Progress = lambda: None,
) -> ErrorTable:
    """Errors and spreads of a committee on labelled structures.

    Parameters
    ----------
    model : LoadedModel or NativeModel
    structures : iterable of LabelledStructure
        Isolated atoms are left out: their energy is the reference energy of every member.
    device : str
    on_structure : callable
        Called after each structure.

    Returns
    -------
    ErrorTable

    Raises
    ------
    DataError
        Not a committee.
    """
    manifest = model.manifest
    if manifest.committee is None:
        raise DataError(
            f"{model.path} is a single model, which has no spread to calibrate: make a committee of it with "
            "`mlpot committee attach`, or train one (training.committee)"
        )
    engine, rows = atoms_engine(model, 0.0, device), _Rows()
    for structure in structures:
        if not structure.is_isolated_atom:
            _add_structure(rows, structure, manifest, engine)
        on_structure()
    return rows.table()


class _Rows:
    """Columns of the table, structure by structure."""

    def __init__(self) -> None:
        self.species: list[NDArray[np.int64]] = []
        self.forces: list[FloatArray] = []
        self.force_spreads: list[FloatArray] = []
        self.distances: list[FloatArray] = []
        self.neighborhoods: list[FloatArray] = []
        self.energies: list[tuple[float, float]] = []
        self.stresses: list[tuple[FloatArray, FloatArray]] = []
        self.n_structures = 0

    def table(self) -> ErrorTable:
        def joined(parts: list[FloatArray], shape: tuple[int, ...]) -> FloatArray:
            return np.concatenate(parts) if parts else np.zeros(shape)

        energies = np.array(self.energies).reshape(-1, 2)
        stresses = np.array(self.stresses).reshape(-1, 2, 3, 3)
        return ErrorTable(
            np.concatenate(self.species) if self.species else np.zeros(0, dtype=np.int64),
            joined(self.forces, (0, 3)),
            joined(self.force_spreads, (0,)),
            energies[:, 0],
            energies[:, 1],
            stresses[:, 0],
            stresses[:, 1],
            joined(self.distances, (0,)),
            joined(self.neighborhoods, (0,)),
            np.repeat(np.arange(len(self.species)), [len(species) for species in self.species]),
            self.n_structures,
        )


def _add_structure(
    rows: _Rows,
    structure: LabelledStructure,
    manifest: Manifest,
    engine: AtomsEngine,
) -> None:
    atoms = structure.atoms
    distances: tuple[Extra, ...] = ("feature_distances", "neighborhood_distances")
    if manifest.feature_distance is None:
        distances = ()
    answer = engine.compute(atoms, MEMBERS + distances)
    spread = spread_of(answer.members())
    if not (np.isfinite(answer.forces).all() and np.isfinite(spread.forces).all()):
        raise DataError(f"the prediction for structure {rows.n_structures} is not finite: are atoms much too close?")
    rows.n_structures += 1
    if structure.energy is not None:
        rows.energies.append((answer.energy - structure.energy, spread.energy))
    if structure.stress is not None:
        volume = structure.volume
        rows.stresses.append((-answer.virial / volume - structure.stress, spread.virial / volume))
    if structure.forces is not None:
        species = species_of(atoms, manifest.atomic_numbers)
        rows.species.append(species)
        rows.forces.append(answer.forces - structure.forces)
        rows.force_spreads.append(spread.forces)
        if answer.feature_distances is not None and answer.neighborhood_distances is not None:
            rows.distances.append(answer.feature_distances)
            rows.neighborhoods.append(answer.neighborhood_distances)


def distance_of_training_set(
    model: "LoadedModel | NativeModel",
    structures: Iterable[LabelledStructure],
    *,
    device: str = "cpu",
    on_structure: Progress = lambda: None,
) -> tuple[FeatureDistance, int]:
    """Fit the feature distance to the structures that a model was trained on.

    Parameters
    ----------
    model : LoadedModel or NativeModel
        In double precision.
    structures : iterable of LabelledStructure
    device : str
    on_structure : callable
        Called after each structure.

    Returns
    -------
    FeatureDistance
    n_atoms : int
    """
    manifest = model.manifest
    engine = atoms_engine(model, 0.0, device)
    width = manifest.config.n_layers * manifest.config.n_channels + manifest.config.readout_width
    counted = [0]
    wanted: tuple[Extra, ...] = ("descriptors",)

    def blocks() -> Iterator[tuple[FloatArray, NDArray[np.int64]]]:
        for structure in structures:
            counted[0] += len(structure.atoms)
            descriptors = engine.compute(structure.atoms, wanted).descriptors
            if descriptors is not None:
                yield descriptors, species_of(structure.atoms, manifest.atomic_numbers)
            on_structure()

    return fit_distance(blocks(), len(manifest.atomic_numbers), width), counted[0]
