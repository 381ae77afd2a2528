"""Watches a run of ASE: stops it where the potential fails or does not know, with the frames on disk.

    atoms.calc = mlpot.load("committee.pt")
    dynamics = VelocityVerlet(atoms, 1.0 * units.fs)
    dynamics.attach(mlpot.Guard(atoms, max_sigma=0.5))
    dynamics.run(100_000)

Whatever the limits are, it stops a run in which an evaluation fails (numbers that are not finite, an unknown element,
no memory), by a hook of the calculator, so also inside of an integrator's step; and one in which atoms come closer than
`overlap` allows. `fix mlpot/guard` does the same in LAMMPS.
"""

import logging
from pathlib import Path
from typing import Literal, NoReturn, get_args

import numpy as np
from ase import Atoms
from ase.io import write
from numpy.typing import NDArray

from mlpot.calculator import MLPotCalculator
from mlpot.errors import ConfigError, EngineError, MLPotError, UncertaintyError
from mlpot.neighbors.matscipy import FloatArray
from mlpot.neighbors.overlap import CLOSEST, OverlapSearch
from mlpot.simulation.frames import save_failure, with_forces

Action = Literal["halt", "dump", "warn"]
LOGGER = logging.getLogger("mlpot")


class Guard:
    """Observer for any dynamics or optimizer of ASE; attach it with interval 1.

    Parameters
    ----------
    atoms : ase.Atoms
        With an `MLPotCalculator`.
    max_sigma : float, eV/A, optional
        Largest error bar of a force component (largest spread, where the committee is not calibrated).
    max_distance : float, optional
        Largest feature distance.
    every : int
        Error bars are looked at in every so many calls; the first call is one of them.
    action : {"halt", "dump", "warn"}
        What happens above a limit: an error, a frame in the file, or a warning in the log of mlpot.
    file : str or Path
        Frames above a limit are appended to it, with ``forces_std`` (or ``forces_ensemble_std``), ``feature_distance``
        and ``uncertain`` for each atom.
    name : str or Path
        A failure leaves ``name.failed.xyz`` and ``name.last-good.xyz``.
    closest : float
        Atoms below this fraction of the sum of their covalent radii are too close; 0: never.

    Attributes
    ----------
    n_events : int
        Frames above a limit.
    max_seen : dict of str to float
        Largest value of the last look, by the name of the property.
    """

    def __init__(
        self,
        atoms: Atoms,
        max_sigma: float | None = None,
        max_distance: float | None = None,
        *,
        every: int = 10,
        action: Action = "halt",
        file: str | Path = "mlpot.uncertain.xyz",
        name: str | Path = "mlpot",
        closest: float = CLOSEST,
    ) -> None:
        if not isinstance(atoms.calc, MLPotCalculator):
            raise ConfigError("`atoms` must carry a calculator of mlpot: atoms.calc = mlpot.load(...)")
        if action not in get_args(Action):
            raise ConfigError(f"`action` must be one of {', '.join(get_args(Action))}, got {action!r}")
        if every < 1:
            raise ConfigError(f"`every` must be at least 1, got {every}")
        self._atoms, self._every, self._action, self._file = atoms, every, action, Path(file)
        self._failed, self._last_good = Path(f"{name}.failed.xyz"), Path(f"{name}.last-good.xyz")
        self._limits = uncertainty_limits(atoms.calc, max_sigma, max_distance)
        self._overlaps = OverlapSearch(closest)
        self._good: Atoms | None = None
        self._calls = self.n_events = 0
        self.max_seen: dict[str, float] = {}
        atoms.calc.failure_hooks.append(self._on_failure)

    def __call__(self) -> None:
        """Look at the atoms as they are now.

        Raises
        ------
        EngineError
            Atoms that are too close.
        UncertaintyError
            Above a limit, with action ``halt``.
        """
        try:
            overlap = self._overlaps.find(self._atoms)
        except MLPotError as error:
            self._stop(str(error), error)
        if overlap is not None:
            self._stop(overlap.describe(self._atoms))
        if self._limits and self._calls % self._every == 0:
            self._look()
        self._good = with_forces(self._atoms)
        self._calls += 1

    def _look(self) -> None:
        values = read_uncertainty(self._atoms, self._limits)
        self.max_seen = {name: float(array.max(initial=0.0)) for name, array in values.items()}
        uncertain = exceeds(values, self._limits)
        if not uncertain.any():
            return
        self.n_events += 1
        text = f"call {self._calls}: {describe_uncertain(self._atoms, values, self._limits)}"
        if self._action == "warn":
            LOGGER.warning("guard: %s", text)
            return
        frame = uncertain_frame(self._atoms, values, uncertain)
        frame.info["call"] = self._calls
        write(self._file, frame, format="extxyz", append=True)
        if self._action == "halt":
            raise UncertaintyError(f"the guard stops the run at {text}. The frame is in {self._file}")

    def _on_failure(self, atoms: Atoms, error: MLPotError) -> None:
        if atoms is self._atoms:
            self._stop(str(error), error)

    def _stop(self, why: str, error: MLPotError | None = None) -> NoReturn:
        places = save_failure(self._atoms, self._failed, self._good, self._last_good)
        raise EngineError(f"the guard stops the run: {why}. {places}") from error


def uncertainty_limits(
    calculator: MLPotCalculator, max_sigma: float | None, max_distance: float | None
) -> dict[str, float]:
    """Limits by the names of the properties that they are for.

    Parameters
    ----------
    calculator : MLPotCalculator
    max_sigma : float, eV/A, or None
    max_distance : float or None

    Returns
    -------
    dict of str to float

    Raises
    ------
    ConfigError
        Limits that are not positive, or that the model has no numbers for.
    """
    known = calculator.implemented_properties
    bars = "forces_std" if "forces_std" in known else "forces_ensemble_std"
    limits = {
        name: limit for name, limit in ((bars, max_sigma), ("feature_distance", max_distance)) if limit is not None
    }
    for name, limit in limits.items():
        if name not in known:
            raise ConfigError(f"the model has no {name}, got a limit for it: see `mlpot committee attach --help`")
        if not limit > 0.0:
            raise ConfigError(f"the limit of {name} must be above 0, got {limit}")
    return limits


def read_uncertainty(atoms: Atoms, limits: dict[str, float]) -> dict[str, FloatArray]:
    """Values of all atoms that have a limit, and the feature distance where it comes along.

    Parameters
    ----------
    atoms : ase.Atoms
    limits : dict of str to float

    Returns
    -------
    dict of str to (n_atoms,)
    """
    # The forces have to be there for the frame; one evaluation computes all of it.
    atoms.calc.calculate(atoms, ["forces", *limits])
    names = dict.fromkeys([*limits, "feature_distance"])
    return {name: atoms.calc.results[name] for name in names if name in atoms.calc.results}


def exceeds(values: dict[str, FloatArray], limits: dict[str, float]) -> NDArray[np.bool_]:
    """Which atoms are above a limit; a value that is not a number is.

    Parameters
    ----------
    values : dict of str to (n_atoms,)
    limits : dict of str to float

    Returns
    -------
    uncertain : (n_atoms,)
    """
    above = [~(values[name] <= limit) for name, limit in limits.items()]
    return np.asarray(np.logical_or.reduce(above))


def describe_uncertain(atoms: Atoms, values: dict[str, FloatArray], limits: dict[str, float]) -> str:
    """Say which atom is farthest above its limit.

    Parameters
    ----------
    atoms : ase.Atoms
    values : dict of str to (n_atoms,)
    limits : dict of str to float

    Returns
    -------
    str
    """
    ratios = np.max([np.nan_to_num(values[name] / limit, nan=np.inf) for name, limit in limits.items()], axis=0)
    k = int(ratios.argmax())
    units = {"feature_distance": ""}
    numbers = [
        f"{name} {values[name][k]:.4g}{units.get(name, ' eV/A')} (limit {limit:g})" for name, limit in limits.items()
    ]
    count = int(exceeds(values, limits).sum())
    place = np.array2string(atoms.positions[k], precision=4)
    return f"atom {k} ({atoms.symbols[k]} at {place}) has {' and '.join(numbers)}; {count} uncertain atoms"


def uncertain_frame(atoms: Atoms, values: dict[str, FloatArray], uncertain: NDArray[np.bool_]) -> Atoms:
    """Frame with forces, the values of all atoms and a mark on the uncertain ones.

    Parameters
    ----------
    atoms : ase.Atoms
    values : dict of str to (n_atoms,)
    uncertain : (n_atoms,)

    Returns
    -------
    ase.Atoms
    """
    frame = with_forces(atoms)
    for name, array in values.items():
        frame.set_array(name, array)
    frame.set_array("uncertain", uncertain)
    return frame
