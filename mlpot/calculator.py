"""ASE calculator: a model file behind the interface of ASE.

Data flow: ASE atoms -> `engines` (native or torch, with a neighbor list kept between calls) -> `results`.

Per-atom properties follow ASE's Lennard-Jones calculator: ``energies`` sum to ``energy``; ``stresses`` are per-atom
virials divided by the volume of the whole cell, and sum to ``stress``. In models of two or more layers their division
among the atoms is not that of the heat flux (the sum is exact); the logger ``mlpot`` warns of it once.

Committees have more properties, computed on request (`mlpot.uncertainty.properties`): ``forces_ensemble_std`` and the
like, and, if they are calibrated, ``forces_std`` and the like. Every model has ``descriptors``.

Stress requires a volume. It is computed for three periodic directions, with the volume of the cell. For a slab in a
cell that is periodic in all directions this includes the vacuum (multiply by cell height / slab thickness for the
stress inside the slab). With fewer periodic directions the volume is a convention, and stress is an error;
`MLPotCalculator.get_virial` returns the virial, which requires no volume.
"""

import copy
import hashlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, PropertyNotImplementedError, all_changes
from ase.data import chemical_symbols
from ase.outputs import Properties, all_outputs
from ase.stress import full_3x3_to_voigt_6_stress

from mlpot.engines.interface import Engine, EngineName
from mlpot.engines.opening import open_engine
from mlpot.engines.results import Property, Results
from mlpot.errors import ConfigError, EngineError, MLPotError, ModelFileError
from mlpot.model_file.manifest import Manifest, Precision
from mlpot.model_file.registry import find_potential
from mlpot.neighbors.matscipy import FloatArray
from mlpot.running.fork_safe_lock import ForkSafeLock
from mlpot.uncertainty.properties import Uncertainty

FailureHook = Callable[[Atoms, MLPotError], None]
LOGGER = logging.getLogger("mlpot")

DESCRIPTORS = "descriptors"
STRESSES = {"stress", "stresses", "stress_std", "stress_ensemble_std"}
"""Properties that need a volume."""


class MLPotCalculator(Calculator):  # type: ignore[misc]  # ASE has no types
    """Energy, forces and stress of a potential in a `model.pt` file.

    Several Python threads may use one calculator, one at a time. Copies (`copy`, `deepcopy`) use the same model, with
    their own results and neighbor list. A pickle contains the path and the hash of the file, and loads the file when it
    is read.

    Parameters
    ----------
    path : str or Path
        The model file.
    device : str
        ``cpu``, ``cuda`` or any other device of torch.
    precision : {"mixed", "double"}, optional
        ``mixed``: float32 arithmetic on float64 positions, with float64 sums; ``double``: all in float64; None: as in
        the training.
    skin : float, A
        Margin of the neighbor list, which is rebuilt when an atom has moved by half of it. Results do not depend on it.
    engine : {"native", "torch"}, optional
        None: native on the CPU, torch on other devices. Both give the same numbers. The logger ``mlpot`` names the
        engine at level INFO.
    threads : int, optional
        Threads of the native engine; None: `mlpot.running.cores.default_threads`.

    Attributes
    ----------
    device : str
    engine : Engine
        The model in its engine; ``engine.description`` is for log files.
    manifest : Manifest
        Description of the model: elements, cutoff, training, calibration.
    sha256 : str
        Hash of the file when it was loaded.
    failure_hooks : list of callable
        Called with the atoms and the error when an evaluation fails, before the error is raised. Copies have none.

    Raises
    ------
    ModelFileError
        A file that is missing, damaged or not a model.
    EngineError
        A device that is not available.

    Examples
    --------
    >>> from ase.build import bulk
    >>> from mlpot.model_file.registry import find_potential
    >>> atoms = bulk("Si")
    >>> atoms.calc = MLPotCalculator(find_potential("Si/fast"))
    >>> atoms.get_forces().shape
    (2, 3)
    >>> atoms.calc.get_property("forces_std", atoms).shape  # error bars, eV/A
    (2,)
    """

    implemented_properties = ["energy", "free_energy", "energies", "forces", "stress", "stresses"]  # noqa: RUF012  # ASE
    ignored_changes: ClassVar[set[str]] = {"initial_charges", "initial_magmoms"}

    def __init__(
        self,
        path: str | Path,
        device: str = "cpu",
        precision: Precision | None = None,
        skin: float = 0.5,
        engine: EngineName | None = None,
        threads: int | None = None,
    ) -> None:
        super().__init__()
        self._lock = ForkSafeLock()
        self.atoms: Atoms | None = None
        path = Path(path).absolute()
        self.parameters = {
            "path": str(path),
            "device": device,
            "precision": precision,
            "skin": skin,
            "engine": engine,
            "threads": threads,
        }
        self.device = device
        self.sha256 = _sha256(path)
        self.engine: Engine = open_engine(path, engine, device=device, precision=precision, threads=threads, skin=skin)
        self.manifest: Manifest = self.engine.manifest
        self._uncertainty = Uncertainty(self.manifest, always_energies=self.engine.member_energies_are_free)
        self._warned_of_heat_flux = False
        self.failure_hooks: list[FailureHook] = []
        self.implemented_properties = [
            *type(self).implemented_properties,
            DESCRIPTORS,
            *self._uncertainty.properties,
        ]

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Fill `results` for `atoms`; ASE calls this.

        Parameters
        ----------
        atoms : ase.Atoms, optional
            None: those of the last call.
        properties : sequence of str
            ``stresses``, ``descriptors`` and those of `mlpot.uncertainty.properties` are computed on request, in the
            same evaluation. Everything else is always computed.
        system_changes : sequence of str
            Not used: changes are found by comparison.

        Raises
        ------
        DataError
            Unknown elements, positions or a cell that are not finite, atoms on top of each other.
        EngineError
            A result that is not finite; nothing is stored then.
        PropertyNotImplementedError
            Stress of a system that is not periodic in three directions.
        """
        atoms = self.atoms if atoms is None else atoms
        if atoms is None:
            raise ConfigError("no atoms to compute: pass `atoms`, or attach the calculator with `atoms.calc = ...`")
        if not atoms.pbc.all() and not STRESSES.isdisjoint(properties):
            raise PropertyNotImplementedError(
                f"stress needs three periodic directions, got pbc = {atoms.pbc.tolist()}: the volume of this system is "
                "undefined. Set `atoms.pbc = True` (with vacuum where nothing repeats; stress then refers to the "
                "volume of the whole cell), or use `get_virial(atoms)`, -dE/dstrain in eV"
            )
        with self._lock:
            self.reset()
            try:
                results = self._evaluate(atoms, properties)
            except MLPotError as error:
                for hook in reversed(self.failure_hooks):  # the latest guard first
                    hook(atoms, error)
                raise
            # A copy, since the atoms of the caller change; without arrays, info and constraints.
            self.atoms = Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell.array, pbc=atoms.pbc)
            self.results = results

    def get_property(self, name: str, atoms: Atoms | None = None, allow_calculation: bool = True) -> Any:  # noqa: ANN401
        """Compute a property, or take it from the results if they are those of `atoms`; ASE calls this."""
        with self._lock:
            return super().get_property(name, atoms, allow_calculation)

    def calculate_properties(self, atoms: Atoms, properties: Sequence[str]) -> Properties:
        """Results that contain `properties`; ASE calls this."""
        with self._lock:
            return super().calculate_properties(atoms, properties)

    def _evaluate(self, atoms: Atoms, properties: Sequence[str]) -> dict[str, Any]:
        requested: set[Property] = self._uncertainty.request(properties)
        if "stresses" in properties:
            requested.add("atomic_virials")
            self._warn_of_heat_flux()
        if DESCRIPTORS in properties:
            requested.add("descriptors")
        try:
            results = self.engine.compute(atoms, requested)
        except MemoryError as error:
            raise EngineError(f"not enough memory for {len(atoms)} atoms: use a smaller system") from error
        except RuntimeError as error:  # of libtorch, or of the native engine
            raise EngineError(f"the engine failed: {str(error).partition(chr(10))[0]}") from error
        return _for_ase(atoms, results) | self._uncertainty.compute(atoms, results)

    def _warn_of_heat_flux(self) -> None:
        if self.manifest.n_layers > 1 and not self._warned_of_heat_flux:
            self._warned_of_heat_flux = True
            LOGGER.warning(
                "stresses: %s has %d layers; the per-atom stresses sum to the stress of the system, but their division "
                "among the atoms is not that of the heat flux, which would be wrong by 6 to 43 %%: use a model of one "
                "layer (preset fast) for heat fluxes",
                self.engine.path,
                self.manifest.n_layers,
            )

    def export_properties(self) -> Properties:
        """Results under the names that ASE has registered, as `atoms.get_properties` and drivers such as i-PI need."""
        return Properties({name: value for name, value in self.results.items() if name in all_outputs})

    def get_virial(self, atoms: Atoms) -> FloatArray:
        """Virial of any system, periodic or not.

        Returns
        -------
        virial : (3, 3), eV
            ``-dE/dstrain``, with all atoms strained, also along directions that are not periodic.

        Examples
        --------
        >>> import mlpot
        >>> from ase.build import bulk
        >>> calculator = mlpot.load("Si-dft/fast")
        >>> calculator.get_virial(bulk("Si")).shape
        (3, 3)
        """
        with self._lock:
            virial = self.engine.compute(atoms).virial
        if not np.isfinite(virial).all():
            raise EngineError(f"the virial is not finite: {virial.tolist()} eV")
        return virial

    def check_state(self, atoms: Atoms, tol: float = 0.0) -> list[str]:
        """Compare `atoms` with those of the last calculation, exactly.

        Parameters
        ----------
        atoms : ase.Atoms
        tol : float
            Argument of ASE, not used: every change counts.

        Returns
        -------
        list of str
            Those of ``positions, numbers, cell, pbc`` that differ.
        """
        last = self.atoms
        if last is None or len(last) != len(atoms):
            return list(all_changes)
        pairs = {
            "positions": (last.positions, atoms.positions),
            "numbers": (last.numbers, atoms.numbers),
            "cell": (last.cell.array, atoms.cell.array),
            "pbc": (last.pbc, atoms.pbc),
        }
        return [name for name, (before, now) in pairs.items() if (before != now).any()]

    def set(self, **changes: object) -> dict[str, Any]:
        """Raise an error: parameters cannot change after the model is loaded."""
        if changes:
            raise ConfigError(f"got new values for {', '.join(changes)}: make a new MLPotCalculator with them instead")
        return {}

    def __deepcopy__(self, memo: dict[int, Any]) -> "MLPotCalculator":
        other = type(self).__new__(type(self))
        memo[id(self)] = other
        other.__dict__.update(self.__dict__)
        other._lock = ForkSafeLock()
        other.parameters = dict(self.parameters)
        other.atoms = copy.deepcopy(self.atoms, memo)
        other.results = copy.deepcopy(self.results, memo)
        other.engine = self.engine.copy()
        other.failure_hooks = []
        return other

    def __copy__(self) -> "MLPotCalculator":
        return self.__deepcopy__({})

    def __getstate__(self) -> dict[str, Any]:
        return {
            "parameters": self.parameters,
            "sha256": self.sha256,
            "atoms": self.atoms,
            "results": self.results,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state["parameters"])  # type: ignore[misc]
        if self.sha256 != state["sha256"]:
            raise ModelFileError(
                f"{self.parameters['path']} has changed since this calculator was pickled: sha256 "
                f"{state['sha256'][:12]} expected, got {self.sha256[:12]}. Restore the file, or make a new calculator"
            )
        self.atoms, self.results = state["atoms"], state["results"]


def load(
    model: str | Path,
    *,
    preset: str | None = None,
    device: str = "cpu",
    precision: Precision | None = None,
    skin: float = 0.5,
    engine: EngineName | None = None,
    threads: int | None = None,
) -> MLPotCalculator:
    """Make a calculator from a model file or from the name of a potential that ships with mlpot.

    Parameters
    ----------
    model : str or Path
        Path of a ``model.pt``, or a name such as ``Si`` or ``Si/fast``.
    preset : str, optional
        ``fast`` or ``accurate``, where the name has none; by default the most accurate one that ships.
    device, precision, skin, engine, threads
        As in `MLPotCalculator`.

    Raises
    ------
    ModelFileError
        Neither a file nor a known name.

    Examples
    --------
    >>> from ase.build import bulk
    >>> atoms = bulk("Si")
    >>> atoms.calc = load("Si/fast")
    >>> atoms.get_stress().shape
    (6,)
    """
    path = find_potential(model, preset)
    return MLPotCalculator(path, device=device, precision=precision, skin=skin, engine=engine, threads=threads)


def _for_ase(atoms: Atoms, results: Results) -> dict[str, Any]:
    """Results under the names of ASE; an error if energies, forces or virial are not finite."""
    energy, energies, forces, virial, atomic_virials = results[:5]
    if not np.isfinite(energy + np.sum(energies) + np.sum(forces) + np.sum(virial)):
        _refuse_non_finite(atoms, energies, forces)
    named = {"energy": energy, "free_energy": energy, "energies": energies, "forces": forces}
    if atoms.pbc.all():
        volume = atoms.cell.volume
        named["stress"] = full_3x3_to_voigt_6_stress(-virial / volume)
        if atomic_virials is not None:
            named["stresses"] = full_3x3_to_voigt_6_stress(-atomic_virials / volume)
    if results.descriptors is not None:
        named[DESCRIPTORS] = results.descriptors
    return named


def _refuse_non_finite(atoms: Atoms, energies: FloatArray, forces: FloatArray) -> None:
    bad = np.flatnonzero(~(np.isfinite(energies) & np.isfinite(forces).all(axis=1)))
    if len(bad) == 0:
        raise EngineError("the energy or the virial is too large a number, though those of every atom are finite")
    k = int(bad[0])
    raise EngineError(
        f"energy or force of atom {k} ({chemical_symbols[atoms.numbers[k]]} at {atoms.positions[k].tolist()} A) is "
        f"not finite, like that of {len(bad) - 1} others: energy {energies[k]} eV, force {forces[k].tolist()} eV/A. "
        "Check for atoms that are much too close, and the step that brought them there"
    )


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {error.strerror}") from error
