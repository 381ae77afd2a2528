"""mlpot: E(3)-equivariant interatomic potentials in one file, for ASE and LAMMPS.

From data to a model, and from a model to forces::

    data              files or objects -> labelled structures; checks, splits, reference energies
    training          structures, `config` -> model; committees, distillation
    model             graph -> atomic energies -> gradient dE/dr_ij -> forces, virial
    model_file        model <-> model.pt: TorchScript, manifest, plain tensors; the potentials that ship

    neighbors         atoms -> neighbor list, kept between steps (Verlet list)
    engines           model file, atoms -> Results; native (C++) or torch
    calculator        engines in ASE; `lammps`: the same engines in LAMMPS
    simulation        relaxation, molecular dynamics, guard

    uncertainty       committee, training set -> error bars, feature distance
    evaluation        model, labelled structures -> errors; `ood`: for a kind that is held out
    properties        crystal -> elastic constants, phonons, ...; `benchmark`: time of a step
    validation        model -> checks before a release (`mlpot check`)
    active_learning   exploration -> selection -> labelling -> training

    cli               commands: one file each, with all output
    config, running, errors, extras, plotting, installation     used by all of them

Conventions:

- eV, A, eV/A, eV/A^3, amu, fs. Cell vectors are rows. ``r_ij = r_j - r_i + S @ cell``. Full neighbor lists;
  ``edge_index[0]`` is the center i, ``edge_index[1]`` the neighbor j.
- ``virial = -dE/dstrain``; ``stress = (1/V) dE/dstrain``: ASE's sign, tension positive.
- Positions are float64 up to the edge vector. No global state is changed: no default dtype, thread count, environment
  variable or random state.

>>> import mlpot
>>> from ase.build import bulk
>>> atoms = bulk("Si")
>>> atoms.calc = mlpot.load("Si")  # or the path of a model.pt
>>> energy, forces = atoms.get_potential_energy(), atoms.get_forces()
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
        from mlpot import calculator  # noqa: PLC0415

        return getattr(calculator, name)
    raise AttributeError(f"module 'mlpot' has no attribute {name!r}")
