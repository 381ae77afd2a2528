"""`mlpot.Guard`: stops any run of ASE where the potential fails or is uncertain, and writes the frames.

    atoms.calc = mlpot.load("committee.pt")
    dynamics = VelocityVerlet(atoms, 1.0 * units.fs)
    dynamics.attach(mlpot.Guard(atoms, max_sigma=0.5))
    dynamics.run(100_000)

Without limits it stops a run in which an evaluation fails (numbers that are not finite, an unknown element, no memory),
by a hook of the calculator and therefore inside of an integrator's step too, or in which atoms overlap.
`fix mlpot/guard` does the same in LAMMPS. `run_md` needs no guard: `md_checks` has the same checks and more.
"""

import logging
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NoReturn, get_args

from ase import Atoms

from mlpot.calculator import FailureHook, MLPotCalculator
from mlpot.errors import ConfigError, EngineError, MLPotError, UncertaintyError
from mlpot.neighbors.overlap import CLOSEST_IN_MD, OverlapSearch
from mlpot.simulation.frames import append_frame, save_failure, with_forces
from mlpot.simulation.uncertainty_limits import (
    describe_uncertain,
    exceeds,
    read_uncertainty,
    uncertain_frame,
    uncertainty_limits,
)

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
        Error bars are compared with the limits in every so many calls, beginning with the first.
    action : {"halt", "dump", "warn"}
        Above a limit: raise an error, only write the frame, or only log a warning.
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
        Largest value at the last comparison, by the name of the property.

    Examples
    --------
    >>> import mlpot
    >>> from ase import units
    >>> from ase.build import bulk
    >>> from ase.md.verlet import VelocityVerlet
    >>> atoms = bulk("Si", cubic=True)
    >>> atoms.calc = mlpot.load("Si-dft/fast")
    >>> dynamics = VelocityVerlet(atoms, 1.0 * units.fs)
    >>> guard = mlpot.Guard(atoms, max_sigma=1.0)
    >>> dynamics.attach(guard)
    >>> dynamics.run(20)
    True
    >>> guard.n_events
    0
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
        closest: float = CLOSEST_IN_MD,
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
        self._remove_hook = _hook_failures(atoms.calc.failure_hooks, self)

    def detach(self) -> None:
        """Stop handling failed evaluations; this happens too when the guard is deleted."""
        self._remove_hook()

    def __call__(self) -> None:
        """Check the atoms in their current state.

        Raises
        ------
        EngineError
            Atoms that are too close.
        UncertaintyError
            Above a limit, with action ``halt``.
        DataError
            The frame cannot be written.
        """
        try:
            overlap = self._overlaps.find(self._atoms)
        except MLPotError as error:
            self._stop(str(error), error)
        if overlap is not None:
            self._stop(overlap.describe(self._atoms))
        if self._limits and self._calls % self._every == 0:
            self._compare_with_limits()
        self._good = with_forces(self._atoms)
        self._calls += 1

    def _compare_with_limits(self) -> None:
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
        append_frame(self._file, frame)
        if self._action == "halt":
            raise UncertaintyError(f"the guard stops the run at {text}. The frame is in {self._file}")

    def on_failure(self, atoms: Atoms, error: MLPotError) -> None:
        """Stop the run where an evaluation of its atoms fails; the calculator calls this.

        Raises
        ------
        EngineError
            The failure, with the places of the frames.
        """
        if atoms is self._atoms:
            self._stop(str(error), error)

    def _stop(self, why: str, error: MLPotError | None = None) -> NoReturn:
        places = save_failure(self._atoms, self._failed, self._good, self._last_good)
        raise EngineError(f"the guard stops the run: {why}. {places}") from error


def _hook_failures(hooks: list[FailureHook], guard: Guard) -> Callable[[], object]:
    """Add a hook that does not keep the guard alive and is removed with it; the result removes it before."""
    reference = weakref.ref(guard)

    def hook(atoms: Atoms, error: MLPotError) -> None:
        if (living := reference()) is not None:
            living.on_failure(atoms, error)

    hooks.append(hook)
    return weakref.finalize(guard, hooks.remove, hook)
