"""mlpot: E(3)-equivariant interatomic potentials in one file, for ASE and LAMMPS.

How data flows, and which module does what::

    structures (ASE, pymatgen, extxyz)   data
      -> neighbour list                   neighbors, skin    species, edge_index, edge_vectors = a Graph;
                                          neighbor_rows      the same inside the native engine
      -> atomic energies                  model              one scripted module
      -> one gradient dE/dr_ij            model.derivatives  forces, virial, stress, per-atom virial
      -> model.pt                         export, manifest   TorchScript + manifest + plain tensors
           |-> ASE                        calculator (atoms_engine), guard, simulation, evaluation
           `-> LAMMPS                     lammps; engines: engine (native, also for ASE), torch_engine

`training` makes a model out of data, `config` says how; `properties` says what it knows, `check` what is wrong with it;
`doctor` says what works on this machine, `benchmark` what a step costs, `cli` is the command.

Conventions, everywhere:

- eV, A, eV/A, eV/A^3, amu, fs. Cell vectors are rows. ``r_ij = r_j - r_i + S @ cell``. Full neighbour lists;
  ``edge_index[0]`` is the centre i, ``edge_index[1]`` the neighbour j.
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
