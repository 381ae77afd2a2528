"""ASE calculator: `model.pt` behind the interface that ASE's optimizers, dynamics and everything above them expect.

Data flow: ASE atoms -> `atoms_engine` (neighbours, kept between calls; native or torch) -> `results`.

Per-atom properties follow ASE's own Lennard-Jones calculator: ``energies`` sum to ``energy``; ``stresses`` are
per-atom virials divided by the volume of the whole cell, so they sum to ``stress``. They give no heat flux.

A committee has more: ``forces_ensemble_std`` and its like always, ``forces_std`` and its like where it is calibrated,
each computed when it is asked for (`mlpot.uncertainty.properties`).

Stress needs a volume. It is given for three periodic directions, where the volume is that of the cell: of a slab in a
box periodic in all directions the vacuum counts (multiply by cell height / slab thickness for the stress inside the
slab). With fewer periodic directions the volume is a matter of taste, and stress is refused instead of being wrong by
an unknown factor; `MLPotCalculator.get_virial` gives the virial, which needs no volume.
"""

import copy
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, PropertyNotImplementedError, all_changes
from ase.data import chemical_symbols
from ase.stress import full_3x3_to_voigt_6_stress

from mlpot.engines.atoms_engine import atoms_engine
from mlpot.engines.native import AtomsAnswer, EngineName, NativeModel, engine_description, open_model
from mlpot.errors import ConfigError, EngineError, MLPotError, ModelFileError
from mlpot.model_file.manifest import Precision
from mlpot.model_file.registry import find_potential
from mlpot.neighbors.matscipy import FloatArray
from mlpot.uncertainty.properties import Uncertainty

if TYPE_CHECKING:
    from mlpot.model_file.torchscript import LoadedModel

FailureHook = Callable[[Atoms, MLPotError], None]

STRESSES = {"stress", "stresses", "stress_std", "stress_ensemble_std"}
"""Properties that need a volume."""


class MLPotCalculator(Calculator):  # type: ignore[misc]  # ASE carries no types
    """Energy, forces and stress of a potential in a `model.pt` file.

    Copies (`copy`, `deepcopy`) share the model and have results and neighbour list of their own. A pickle holds the
    path and the hash of the file, and loads it anew where it is opened.

    Parameters
    ----------
    path : str or Path
        The model file.
    device : str
        ``cpu``, ``cuda`` or any other device of torch.
    precision : {"mixed", "double"}, optional
        ``mixed`` computes in float32 on float64 positions, with float64 sums; ``double`` all in float64; None is what
        the model was trained in.
    skin : float, A
        Margin of the neighbour list: it is built anew when an atom moved by more than half of it. Results do not
        depend on it.
    engine : {"native", "torch"}, optional
        What computes; None is the native engine on the CPU, torch on other devices. Both give the same numbers.
        The logger ``mlpot`` says at level INFO which one it is.
    threads : int, optional
        Threads of the native engine; None is ``OMP_NUM_THREADS`` if that is set, else the number of cores.

    Attributes
    ----------
    device : str
    engine_description : str
        Engine, precision and threads, for log files.
    model : NativeModel or LoadedModel
        The model in its engine, with its manifest.
    sha256 : str
        Hash of the file, as it was when it was loaded.
    failure_hooks : list of callable
        Called with the atoms and the error when an evaluation fails, before it is raised; copies have none.

    Raises
    ------
    ModelFileError
        A file that is missing, damaged or not a model.
    EngineError
        A device that is not there.
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
        self.model: LoadedModel | NativeModel = open_model(path, engine, device, precision, threads)
        self.engine_description = engine_description(self.model)
        self._engine = atoms_engine(self.model, skin, device)
        self._uncertainty = Uncertainty(self.model)
        self.failure_hooks: list[FailureHook] = []
        self.implemented_properties = [*type(self).implemented_properties, *self._uncertainty.properties]

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
            ``stresses`` needs a little more work, and what `mlpot.uncertainty.properties` has is computed where it is
            asked for, in the same evaluation. Everything else is always computed.
        system_changes : sequence of str
            Not used: what changed is found by comparison.

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
        self.reset()
        try:
            results = self._evaluate(atoms, properties)
        except MLPotError as error:
            for hook in reversed(self.failure_hooks):  # the guard of this part of a run, not of an earlier one
                hook(atoms, error)
            raise
        # The caller's atoms will change; arrays, info and constraints that play no role are not worth a copy.
        self.atoms = Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell.array, pbc=atoms.pbc)
        self.results = results

    def _evaluate(self, atoms: Atoms, properties: Sequence[str]) -> dict[str, Any]:
        extras = self._uncertainty.extras(properties)
        if "stresses" in properties:
            extras.add("atomic_virials")
        try:
            answer = self._engine.compute(atoms, extras)
        except MemoryError as error:
            raise EngineError(f"not enough memory for {len(atoms)} atoms: use a smaller system") from error
        except RuntimeError as error:  # of libtorch, or of the native engine
            raise EngineError(f"the engine failed: {str(error).partition(chr(10))[0]}") from error
        return _results(atoms, answer) | self._uncertainty.compute(atoms, answer)

    def get_virial(self, atoms: Atoms) -> FloatArray:
        """Virial of any system, periodic or not.

        Parameters
        ----------
        atoms : ase.Atoms

        Returns
        -------
        virial : (3, 3), eV
            ``-dE/dstrain``. Along a direction that is not periodic it is that of the atoms strained with the rest.
        """
        virial = self._engine.compute(atoms).virial
        if not np.isfinite(virial).all():
            raise EngineError(f"the virial is not finite: {virial.tolist()} eV")
        return virial

    def check_state(self, atoms: Atoms, tol: float = 0.0) -> list[str]:
        """Compare `atoms` with those of the last calculation, exactly.

        Parameters
        ----------
        atoms : ase.Atoms
        tol : float
            ASE's argument; a change is a change here.

        Returns
        -------
        list of str
            What differs, out of ``positions, numbers, cell, pbc``.
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
        """Refuse changed parameters: a calculator is what it was made with.

        Parameters
        ----------
        **changes
            None are possible.

        Returns
        -------
        dict
            Empty.
        """
        if changes:
            raise ConfigError(f"got new values for {', '.join(changes)}: make a new MLPotCalculator with them instead")
        return {}

    def __deepcopy__(self, memo: dict[int, Any]) -> "MLPotCalculator":
        twin = type(self).__new__(type(self))
        memo[id(self)] = twin
        twin.__dict__.update(self.__dict__)
        twin.parameters = dict(self.parameters)
        twin.atoms = copy.deepcopy(self.atoms, memo)
        twin.results = copy.deepcopy(self.results, memo)
        twin._engine = self._engine.twin()
        twin.failure_hooks = []
        return twin

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
        ``fast`` or ``accurate``, where the name does not say; by default the most accurate one that ships.
    device, precision, skin, engine, threads
        As of `MLPotCalculator`.

    Returns
    -------
    MLPotCalculator

    Raises
    ------
    ModelFileError
        Neither a file nor a known name.
    """
    path = find_potential(model, preset)
    return MLPotCalculator(path, device=device, precision=precision, skin=skin, engine=engine, threads=threads)


def _results(atoms: Atoms, answer: AtomsAnswer) -> dict[str, Any]:
    energy, energies, forces, virial, shares = answer[:5]
    if not np.isfinite(energy + np.sum(energies) + np.sum(forces) + np.sum(virial)):
        _refuse_non_finite(atoms, energies, forces)
    results = {"energy": energy, "free_energy": energy, "energies": energies, "forces": forces}
    if atoms.pbc.all():
        volume = atoms.cell.volume
        results["stress"] = full_3x3_to_voigt_6_stress(-virial / volume)
        if shares is not None:
            results["stresses"] = full_3x3_to_voigt_6_stress(-shares / volume)
    return results


def _refuse_non_finite(atoms: Atoms, energies: FloatArray, forces: FloatArray) -> None:
    bad = np.flatnonzero(~(np.isfinite(energies) & np.isfinite(forces).all(axis=1)))
    if len(bad) == 0:
        raise EngineError("the energy or the virial is not finite though those of every atom are: too large a number")
    k = int(bad[0])
    raise EngineError(
        f"energy or force of atom {k} ({chemical_symbols[atoms.numbers[k]]} at {atoms.positions[k].tolist()} A) is "
        f"not finite, like that of {len(bad) - 1} others: energy {energies[k]} eV, force {forces[k].tolist()} eV/A. "
        "Look for atoms that are much too close, and for the step that brought them there"
    )


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {error.strerror}") from error
