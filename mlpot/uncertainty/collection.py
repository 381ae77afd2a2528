"""A model evaluated on a data set: its errors, with its spreads and feature distances.

Data flow: labelled structures -> `Engine` -> `ErrorTable`; structures -> descriptors -> `FeatureDistance`.
"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from mlpot.data import LabelledStructure
from mlpot.engines.interface import Engine
from mlpot.engines.results import DISTANCE_PROPERTIES, MEMBER_PROPERTIES, Property
from mlpot.errors import DataError
from mlpot.model_file.feature_distance import FeatureDistance
from mlpot.neighbors.matscipy import species_of
from mlpot.uncertainty.distance import fit_distance
from mlpot.uncertainty.quality import ErrorTable
from mlpot.uncertainty.spread import spread_of

FloatArray = NDArray[np.float64]
OnStructure = Callable[[], None]


def collect_errors(
    engine: Engine, structures: Iterable[LabelledStructure], *, on_structure: OnStructure = lambda: None
) -> ErrorTable:
    """Errors and spreads of a committee on labelled structures.

    Parameters
    ----------
    engine : Engine
    structures : iterable of LabelledStructure
        Isolated atoms are left out: their energy is the reference energy of every member.
    on_structure : callable
        Called after each structure.

    Raises
    ------
    DataError
        A model that is no committee, or a prediction that is not finite.
    """
    if engine.manifest.committee is None:
        raise DataError(
            f"{engine.path} is a single model and has no spread to calibrate: make a committee of it with "
            "`mlpot committee attach`, or train one (training.committee)"
        )
    rows = _Rows()
    for structure in structures:
        if not structure.is_isolated_atom:
            _add_structure(rows, structure, engine)
        on_structure()
    return rows.table()


class _Rows:
    """Rows of the table, collected structure by structure."""

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


def _add_structure(rows: _Rows, structure: LabelledStructure, engine: Engine) -> None:
    atoms, manifest = structure.atoms, engine.manifest
    distances: tuple[Property, ...] = () if manifest.feature_distance is None else DISTANCE_PROPERTIES
    results = engine.compute(atoms, MEMBER_PROPERTIES + distances)
    spread = spread_of(results)
    if not (np.isfinite(results.forces).all() and np.isfinite(spread.forces).all()):
        raise DataError(f"the prediction for structure {rows.n_structures} is not finite: are atoms much too close?")
    rows.n_structures += 1
    if structure.energy is not None:
        rows.energies.append((results.energy - structure.energy, spread.energy))
    if structure.stress is not None:
        volume = structure.volume
        rows.stresses.append((-results.virial / volume - structure.stress, spread.virial / volume))
    if structure.forces is not None:
        species = species_of(atoms, manifest.atomic_numbers)
        rows.species.append(species)
        rows.forces.append(results.forces - structure.forces)
        rows.force_spreads.append(spread.forces)
        if results.feature_distances is not None and results.neighborhood_distances is not None:
            rows.distances.append(results.feature_distances)
            rows.neighborhoods.append(results.neighborhood_distances)


def distance_of_training_set(
    engine: Engine, structures: Iterable[LabelledStructure], *, on_structure: OnStructure = lambda: None
) -> tuple[FeatureDistance, int]:
    """Fit the feature distance to the structures that a model was trained on.

    Parameters
    ----------
    engine : Engine
        In double precision.
    structures : iterable of LabelledStructure
    on_structure : callable
        Called after each structure.

    Returns
    -------
    distance : FeatureDistance
    n_atoms : int
        Atoms of all structures.
    """
    manifest, n_atoms = engine.manifest, 0
    descriptors_only: tuple[Property, ...] = ("descriptors",)
    width = manifest.config.n_layers * manifest.config.n_channels + manifest.config.readout_width

    def blocks() -> Iterator[tuple[FloatArray, NDArray[np.int64]]]:
        nonlocal n_atoms
        for structure in structures:
            n_atoms += len(structure.atoms)
            descriptors = engine.compute(structure.atoms, descriptors_only).descriptors
            if descriptors is not None:
                yield descriptors, species_of(structure.atoms, manifest.atomic_numbers)
            on_structure()

    distance = fit_distance(blocks(), len(manifest.atomic_numbers), width)
    return distance, n_atoms
