"""Uncertainties as properties of the ASE calculator.

    energy_ensemble_std, forces_ensemble_std, stress_ensemble_std     of any committee: spread of its members
    energy_std, forces_std, stress_std                                of a calibrated one: error bars, one sigma
    energy_members, forces_members                                    of each member
    feature_distance                                                  of a model with a feature distance

Energies in eV, forces in eV/A (standard deviations ``(n_atoms,)``, of a component), stress in eV/A^3 (Voigt).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.stress import full_3x3_to_voigt_6_stress

from mlpot.engines.results import DISTANCE_PROPERTIES, MEMBER_PROPERTIES, Property, Results
from mlpot.errors import EngineError
from mlpot.model_file.manifest import Manifest
from mlpot.neighbors.matscipy import FloatArray, species_of
from mlpot.uncertainty.calibration import error_bars
from mlpot.uncertainty.spread import spread_of

DISTANCE = "feature_distance"


def available_properties(manifest: Manifest) -> list[str]:
    """Names of the properties that a model has beyond energy, forces, stress and descriptors."""
    names: list[str] = []
    if manifest.committee is not None:
        names += [
            "energy_ensemble_std",
            "forces_ensemble_std",
            "stress_ensemble_std",
            "energy_members",
            "forces_members",
        ]
        calibration = manifest.calibration
        if calibration is not None:
            parts = {"energy": calibration.energy, "forces": calibration.forces, "stress": calibration.stress}
            names += [f"{name}_std" for name, scaling in parts.items() if scaling is not None]
    if manifest.feature_distance is not None:
        names.append(DISTANCE)
    return names


class Uncertainty:
    """Computes these properties from the results of an engine.

    Parameters
    ----------
    manifest : Manifest
    always_energies : bool
        Compute the energies of members in every evaluation, where they cost next to nothing.

    Attributes
    ----------
    properties : list of str
        Names of those that the model has.
    """

    def __init__(self, manifest: Manifest, *, always_energies: bool) -> None:
        self._manifest = manifest
        self.properties = available_properties(manifest)
        is_free = always_energies and manifest.committee is not None
        self._always: set[Property] = {"member_energies"} if is_free else set()

    def request(self, names: Sequence[str]) -> set[Property]:
        """Properties that the engine must compute for the named ones of the calculator; unknown names are ignored."""
        known, requested = set(names).intersection(self.properties), set(self._always)
        if any(name.startswith("energy_") for name in known):
            requested.add("member_energies")
        if any(name.startswith(("forces_", "stress_")) for name in known):
            requested.update(MEMBER_PROPERTIES)
        if DISTANCE in known:
            requested.add("feature_distances")
        if self._needs_distances() and not known.isdisjoint({"forces_std", "stress_std"}):
            requested.update(DISTANCE_PROPERTIES)  # the second requires the first
        return requested

    def compute(self, atoms: Atoms, computed: Results) -> dict[str, Any]:
        """Properties that follow from the results of the engine."""
        results: dict[str, Any] = {}
        if computed.member_energies is not None:
            results |= self._of_energies(computed.member_energies)
        if computed.member_forces is not None:
            results |= self._of_members(atoms, computed)
        for name, values in results.items():
            # Of an element that is not in the training set, the distance and so the error bar are infinite.
            if not name.endswith("_std") and not np.isfinite(values).all():
                raise EngineError(
                    f"{name} is not finite though energy and forces are: check for atoms that are much too close"
                )
        if computed.feature_distances is not None:
            results[DISTANCE] = computed.feature_distances
        return results

    def _needs_distances(self) -> bool:
        calibration = self._manifest.calibration
        return calibration is not None and calibration.forces.distance_limit is not None

    def _of_energies(self, members: FloatArray) -> dict[str, Any]:
        spread = float(members.std(ddof=1))
        calibration = self._manifest.calibration
        results: dict[str, Any] = {"energy_members": members, "energy_ensemble_std": spread}
        if calibration is not None and calibration.energy is not None:
            results["energy_std"] = spread * calibration.energy.scale[0]
        return results

    def _of_members(self, atoms: Atoms, computed: Results) -> dict[str, Any]:
        spread = spread_of(computed)
        bars: dict[str, Any] = {}
        distances = computed.neighborhood_distances
        if distances is not None or not self._needs_distances():
            bars = error_bars(self._manifest, spread, species_of(atoms, self._manifest.atomic_numbers), distances)
        results: dict[str, Any] = {"forces_members": computed.member_forces, "forces_ensemble_std": spread.forces}
        if "forces" in bars:
            results["forces_std"] = bars["forces"]
        if atoms.pbc.all():
            for name, virial in (("stress_ensemble_std", spread.virial), ("stress_std", bars.get("virial"))):
                if virial is not None:
                    results[name] = full_3x3_to_voigt_6_stress(virial / atoms.cell.volume)
        return results
