"""Error bars as properties that ASE asks a calculator for.

    energy_spread, forces_spread, stress_spread     of any committee: how much its members disagree
    energy_std, forces_std, stress_std              of a calibrated one: error bars, one standard deviation
    energy_members, forces_members                  what each member says
    feature_distance                                of a file that has it

Energies in eV, forces in eV/A (``(n_atoms,)`` for spread and std, of a component), stress in eV/A^3 (Voigt).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from ase.stress import full_3x3_to_voigt_6_stress

from mlpot.atoms_engine import AtomsEngine
from mlpot.engine import NativeModel
from mlpot.errors import EngineError
from mlpot.manifest import Manifest
from mlpot.neighbors import FloatArray, species_of
from mlpot.uncertainty.calibration import error_bars
from mlpot.uncertainty.distance import FeatureDistance, distance_from_file
from mlpot.uncertainty.spread import spread_of

if TYPE_CHECKING:
    from mlpot.export import LoadedModel

DISTANCE = "feature_distance"


def available_properties(manifest: Manifest) -> list[str]:
    """Names of the properties that a file can give beyond energy, forces and stress.

    Parameters
    ----------
    manifest : Manifest

    Returns
    -------
    list of str
    """
    names: list[str] = []
    if manifest.committee is not None:
        names += ["energy_spread", "forces_spread", "stress_spread", "energy_members", "forces_members"]
        calibration = manifest.calibration
        if calibration is not None:
            parts = {"energy": calibration.energy, "forces": calibration.forces, "stress": calibration.stress}
            names += [f"{name}_std" for name, scaling in parts.items() if scaling is not None]
    if manifest.feature_distance is not None:
        names.append(DISTANCE)
    return names


class Uncertainty:
    """Computes those properties for a model.

    Parameters
    ----------
    model : LoadedModel or NativeModel

    Attributes
    ----------
    properties : list of str
        What the file can give.
    """

    def __init__(self, model: "LoadedModel | NativeModel") -> None:
        self._model = model
        self.properties = available_properties(model.manifest)
        self._distance: FeatureDistance | None = None

    def compute(self, engine: AtomsEngine, atoms: Atoms, wanted: Sequence[str]) -> dict[str, Any]:
        """Compute what is wanted, and what comes with it for nothing.

        Parameters
        ----------
        engine : AtomsEngine
        atoms : ase.Atoms
        wanted : sequence of str
            Other names are ignored.

        Returns
        -------
        dict
        """
        names = set(wanted).intersection(self.properties)
        results: dict[str, Any] = {}
        limited = self._limit() is not None and any(name.endswith("_std") for name in names)
        if DISTANCE in names or limited:
            results[DISTANCE] = self._distances(engine, atoms)
        if names - {DISTANCE}:
            results |= self._of_members(engine, atoms, results.get(DISTANCE))
        for name, values in results.items():
            if not np.isfinite(values).all() and name != DISTANCE:
                raise EngineError(f"{name} is not finite though energy and forces are: look for atoms much too close")
        return results

    def _limit(self) -> float | None:
        calibration = self._model.manifest.calibration
        return None if calibration is None else calibration.forces.distance_limit

    def _of_members(self, engine: AtomsEngine, atoms: Atoms, distances: FloatArray | None) -> dict[str, Any]:
        manifest = self._model.manifest
        members = engine.compute_members(atoms)
        spread = spread_of(members)
        bars: dict[str, Any] = {}
        if self._limit() is None or distances is not None:
            nothing: FloatArray = np.zeros(0)
            species = species_of(atoms, manifest.atomic_numbers)
            bars = error_bars(manifest, spread, species, nothing if distances is None else distances)
        results: dict[str, Any] = {"energy_members": members.energy, "forces_members": members.forces}
        for ending, values in (("spread", spread._asdict()), ("std", bars)):
            results |= {f"{name}_{ending}": value for name, value in values.items() if name != "virial"}
            if "virial" in values and atoms.pbc.all():
                results[f"stress_{ending}"] = full_3x3_to_voigt_6_stress(values["virial"] / atoms.cell.volume)
        return results

    def _distances(self, engine: AtomsEngine, atoms: Atoms) -> FloatArray:
        if self._distance is None:
            self._distance = distance_from_file(self._model.path)
        species = species_of(atoms, self._model.manifest.atomic_numbers)
        return self._distance.of(engine.descriptors(atoms), species)
