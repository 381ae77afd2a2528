"""mlpot: E(3)-equivariant interatomic potentials in one file, for ASE and LAMMPS.

Data flow and packages::

    structures (ASE, pymatgen, extxyz)   data
      -> neighbor list                    neighbors          matscipy, or the native search; Verlet lists
      -> atomic energies                  model              one scripted module: potential or committee
      -> one gradient dE/dr_ij            model.derivatives  forces, virial, stress, per-atom virial
      -> model.pt                         model_file         TorchScript + manifest + plain tensors
           |-> engines                    native (C++) or torch: atoms -> Results
           |-> ASE                        calculator, simulation, evaluation, uncertainty
           `-> LAMMPS                     lammps

`training` makes a model out of data, `config` describes how; `validation` checks it, `properties` and `benchmark`
measure it, `active_learning` extends its data; `cli` is the command.

Conventions, everywhere:

- eV, A, eV/A, eV/A^3, amu, fs. Cell vectors are rows. ``r_ij = r_j - r_i + S @ cell``. Full neighbor lists;
  ``edge_index[0]`` is the center i, ``edge_index[1]`` the neighbor j.
- ``virial = -dE/dstrain``; ``stress = (1/V) dE/dstrain``: ASE's sign, tension positive.
- Positions are float64 up to the edge vector. Nothing global is touched: no default dtype, thread count,
  environment variable or random state.

>>> import mlpot
>>> atoms.calc = mlpot.load("model.pt")
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlpot.calculator import MLPotCalculator, load
    from mlpot.simulation.guard import Guard

__all__ = ["Guard", "MLPotCalculator", "load"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Import torch and ASE only when a public name is first used."""
    if name == "Guard":
        from mlpot.simulation import guard  # noqa: PLC0415

        return guard.Guard
    if name in __all__:
        from mlpot import calculator  # noqa: PLC0415  # the whole point

        return getattr(calculator, name)
    raise AttributeError(f"module 'mlpot' has no attribute {name!r}")
