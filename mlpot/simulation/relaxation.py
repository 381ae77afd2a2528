"""Relaxation of atoms and, on request, of the cell."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from ase import Atoms, units
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS, FIRE, LBFGS

from mlpot.errors import ConfigError, MLPotError

OptimizerName = Literal["lbfgs", "bfgs", "fire"]
OPTIMIZERS: dict[str, Any] = {"lbfgs": LBFGS, "bfgs": BFGS, "fire": FIRE}


@dataclass(frozen=True)
class RelaxResult:
    """Outcome of a relaxation.

    Attributes
    ----------
    atoms : ase.Atoms
        Last geometry.
    converged : bool
    steps : int
    energy : float, eV
    energy_change : float, eV
        From the first geometry to the last.
    max_force : float, eV/A
        Largest force; with the cell, derivatives with respect to it count as well.
    pressure : float, GPa
        Minus a third of the trace of the stress; NaN without three periodic directions.
    volume : float, A^3
        NaN without three periodic directions.
    """

    atoms: Atoms
    converged: bool
    steps: int
    energy: float
    energy_change: float
    max_force: float
    pressure: float
    volume: float


def relax(
    atoms: Atoms,
    *,
    fmax: float = 0.01,
    cell: bool = False,
    pressure: float = 0.0,
    optimizer: OptimizerName = "lbfgs",
    steps: int = 500,
    trajectory: str | Path | None = None,
    on_step: Callable[[int, float], None] | None = None,
) -> RelaxResult:
    """Move atoms to the nearest minimum of the energy.

    Parameters
    ----------
    atoms : ase.Atoms
        With a calculator; ends at the minimum, or, after an error, at the last geometry without one.
    fmax : float, eV/A
        Converged when no force is larger.
    cell : bool
        Relax the cell, volume and shape, too.
    pressure : float, GPa
        External pressure; only with `cell`.
    optimizer : {"lbfgs", "bfgs", "fire"}
    steps : int
        At most.
    trajectory : str or Path, optional
        ASE trajectory of all steps.
    on_step : callable, optional
        Called with the number of each step and the largest force in eV/A.


    Raises
    ------
    ConfigError
        Settings that contradict each other or the system.

    Examples
    --------
    >>> import mlpot
    >>> from ase.build import bulk
    >>> atoms = bulk("Si")
    >>> atoms.calc = mlpot.load("Si-dft/fast", precision="double")
    >>> result = relax(atoms, fmax=1e-3, cell=True)
    >>> result.converged, round(result.volume / len(atoms), 1)
    (True, 20.5)
    """
    _check(atoms, fmax, cell, pressure, optimizer)
    driven = FrechetCellFilter(atoms, scalar_pressure=pressure * units.GPa) if cell else atoms
    start = atoms.get_potential_energy()
    engine = OPTIMIZERS[optimizer](driven, logfile=None, trajectory=None if trajectory is None else str(trajectory))
    good = atoms.copy()
    converged, force = False, float("nan")
    try:
        with warnings.catch_warnings():
            # of the logarithm of the cell's deformation in ASE's filter: errors of 1e-12, which scipy still mentions
            warnings.filterwarnings("ignore", message="logm result may be inaccurate", category=RuntimeWarning)
            for reached in engine.irun(fmax=fmax, steps=steps):
                converged = bool(reached)
                force = _largest(driven.get_forces())
                good = atoms.copy()
                if on_step is not None:
                    on_step(engine.nsteps, force)
    except MLPotError:
        atoms.set_cell(good.cell)
        atoms.positions = good.positions
        raise
    stress = atoms.get_stress() if atoms.pbc.all() else np.full(6, np.nan)
    return RelaxResult(
        atoms=atoms,
        converged=converged,
        steps=engine.nsteps,
        energy=float(atoms.get_potential_energy()),
        energy_change=float(atoms.get_potential_energy() - start),
        max_force=force,
        pressure=float(-stress[:3].mean() / units.GPa),
        volume=float(atoms.get_volume()) if atoms.pbc.all() else float("nan"),
    )


def _largest(forces: Any) -> float:  # noqa: ANN401  # ASE has no types
    return float(np.linalg.norm(forces, axis=1).max(initial=0.0))


def _check(atoms: Atoms, fmax: float, cell: bool, pressure: float, optimizer: str) -> None:
    if atoms.calc is None:
        raise ConfigError("`atoms` must carry a calculator: atoms.calc = mlpot.load(...)")
    if not (np.isfinite(fmax) and fmax > 0):
        raise ConfigError(f"`fmax` must be above 0 eV/A, got {fmax}")
    if optimizer not in OPTIMIZERS:
        raise ConfigError(f"`optimizer` must be one of {', '.join(OPTIMIZERS)}, got {optimizer!r}")
    if cell and not atoms.pbc.all():
        raise ConfigError(f"relaxing the cell needs three periodic directions, got pbc = {atoms.pbc.tolist()}")
    if pressure and not cell:
        raise ConfigError("`pressure` acts on the cell: set `cell` too")
