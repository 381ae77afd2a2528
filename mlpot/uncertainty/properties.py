"""Error bars as properties that ASE asks a calculator for.

    energy_ensemble_std, forces_ensemble_std, stress_ensemble_std     of any committee: how much its members disagree
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

from mlpot.engines.native import MEMBERS, AtomsAnswer, Extra, NativeModel
from mlpot.errors import EngineError
from mlpot.model_file.manifest import Manifest
from mlpot.neighbors.matscipy import FloatArray, species_of
from mlpot.uncertainty.calibration import error_bars
from mlpot.uncertainty.spread import spread_of

if TYPE_CHECKING:
    from mlpot.model_file.torchscript import LoadedModel

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
        self._manifest = model.manifest
        self.properties = available_properties(model.manifest)
        is_free = isinstance(model, NativeModel) and model.manifest.committee is not None
        self._always: set[Extra] = {"member_energies"} if is_free else set()

    def extras(self, wanted: Sequence[str]) -> set[Extra]:
        """Find what to ask an engine for; the native one has the energies of members for nothing, so they always come.

        Parameters
        ----------
        wanted : sequence of str
            Names of properties; others than `properties` are ignored.

        Returns
        -------
        set of str
        """
        names, extras = set(wanted).intersection(self.properties), set(self._always)
        if any(name.startswith("energy_") for name in names):
            extras.add("member_energies")
        if any(name.startswith(("forces_", "stress_")) for name in names):
            extras.update(MEMBERS)
        if DISTANCE in names:
            extras.add("feature_distances")
        if self._needs_distances() and not names.isdisjoint({"forces_std", "stress_std"}):
            extras.update({"neighborhood_distances", "feature_distances"})  # the latter comes along
        return extras

    def compute(self, atoms: Atoms, answer: AtomsAnswer) -> dict[str, Any]:
        """Properties that follow from what an engine has said.

        Parameters
        ----------
        atoms : ase.Atoms
        answer : AtomsAnswer

        Returns
        -------
        dict
        """
        results: dict[str, Any] = {}
        if answer.member_energies is not None:
            results |= self._of_energies(answer.member_energies)
        if answer.member_forces is not None:
            results |= self._of_members(atoms, answer)
        for name, values in results.items():
            # Of an element that the training set did not have, the distance and so the error bar are infinite.
            if not name.endswith("_std") and not np.isfinite(values).all():
                raise EngineError(f"{name} is not finite though energy and forces are: look for atoms much too close")
        if answer.feature_distances is not None:
            results[DISTANCE] = answer.feature_distances
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

    def _of_members(self, atoms: Atoms, answer: AtomsAnswer) -> dict[str, Any]:
        spread = spread_of(answer.members())
        bars: dict[str, Any] = {}
        distances = answer.neighborhood_distances
        if distances is not None or not self._needs_distances():
            bars = error_bars(self._manifest, spread, species_of(atoms, self._manifest.atomic_numbers), distances)
        results: dict[str, Any] = {"forces_members": answer.member_forces, "forces_ensemble_std": spread.forces}
        if "forces" in bars:
            results["forces_std"] = bars["forces"]
        if atoms.pbc.all():
            for name, virial in (("stress_ensemble_std", spread.virial), ("stress_std", bars.get("virial"))):
                if virial is not None:
                    results[name] = full_3x3_to_voigt_6_stress(virial / atoms.cell.volume)
        return results
