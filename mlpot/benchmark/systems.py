"""What is simulated: a crystal of about a given size, or the user's structure. LAMMPS and ASE get the same.

Everything around it is fixed: see the constants.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.data import atomic_numbers, covalent_radii, reference_states

from mlpot.errors import ConfigError, DataError
from mlpot.neighbors.matscipy import neighbor_list
from mlpot.simulation import read_structure

TEMPERATURE = 300.0
"""K, of the velocities at the start; energy is conserved from there on."""
TIMESTEP = 0.5
"""fs"""
SKIN = 1.0
"""A, of the neighbor lists; they are built when an atom has moved by half of it."""
RATTLE = 0.05
"""A, standard deviation of each coordinate from its site in the crystals that are made here."""

_CUBIC = ("diamond", "fcc", "bcc")
# Si at its experimental lattice constant, as everyone's silicon benchmarks.
_SILICON = 5.431
# A between neighboring sites: with it hydrogen and oxygen have about the density of water.
_SMALLEST_SPACING = 2.2


@dataclass(frozen=True)
class System:
    """A structure and its name.

    Attributes
    ----------
    name : str
    elements : tuple of str
        In the order in which LAMMPS counts its atom types.
    atoms : ase.Atoms
    """

    name: str
    elements: tuple[str, ...]
    atoms: Atoms

    def neighbors(self, cutoff: float) -> float:
        """Mean number of neighbors inside a cutoff in A."""
        return len(neighbor_list(self.atoms, cutoff)[0]) / len(self.atoms)


def crystal(elements: Sequence[str], n_atoms: int) -> System:
    """Make a rattled crystal.

    Parameters
    ----------
    elements : sequence of str
        One: its cubic crystal, if it has one. Several: put at random on the sites of rock salt.
    n_atoms : int
        The result has as many as fit nearly cubic repetitions of the unit cell.

    Returns
    -------
    System

    Raises
    ------
    ConfigError
        No element, or one that does not exist.
    """
    unknown = [element for element in elements if element not in atomic_numbers or element == "X"]
    if unknown or not elements or len(set(elements)) < len(elements):
        raise ConfigError(
            f"`elements` must be different chemical symbols such as Si or H,O; got {', '.join(elements) or 'none'}"
        )
    cell, name = _unit_cell(elements)
    atoms = cell.repeat(_repetitions(n_atoms / len(cell)))
    rng = np.random.default_rng(0)
    if len(elements) > 1:
        atoms.set_chemical_symbols(rng.permutation(np.resize(elements, len(atoms))))
    atoms.rattle(RATTLE, rng=rng)
    return System(name, tuple(elements), atoms)


def read_system(path: Path, n_atoms: int | None = None) -> System:
    """Read a structure.

    Parameters
    ----------
    path : Path
        Anything ASE reads; the last frame counts.
    n_atoms : int, optional
        Repeat it to about this size.

    Returns
    -------
    System

    Raises
    ------
    DataError
        It cannot be read, has no atoms, or cannot be repeated.
    """
    atoms = read_structure(path)
    if len(atoms) == 0:
        raise DataError(f"{path}: has no atoms")
    atoms = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    if n_atoms is not None and n_atoms != len(atoms):
        if not atoms.pbc.all():
            raise DataError(f"{path}: is not periodic in three directions, so it cannot be repeated to {n_atoms} atoms")
        atoms = atoms.repeat(_repetitions(n_atoms / len(atoms)))
    for axis in np.flatnonzero(~atoms.pbc):
        atoms.center(vacuum=10.0, axis=int(axis))
    return System(path.name, tuple(dict.fromkeys(atoms.get_chemical_symbols())), atoms)


def write_lammps(system: System, path: Path) -> None:
    """Write a data file of LAMMPS, masses included."""
    ase.io.write(
        path,
        system.atoms,
        format="lammps-data",
        specorder=list(system.elements),
        masses=True,
        units="metal",
        atom_style="atomic",
    )


def write_ase(system: System, path: Path) -> None:
    """Write what ASE reads back, all digits included."""
    ase.io.write(path, system.atoms, format="traj")


def _unit_cell(elements: Sequence[str]) -> tuple[Atoms, str]:
    radii = [float(covalent_radii[atomic_numbers[element]]) for element in elements]
    if len(elements) == 1:
        symmetry = (reference_states[atomic_numbers[elements[0]]] or {}).get("symmetry")
        if elements[0] == "Si":
            return bulk("Si", a=_SILICON, cubic=True), "diamond Si"
        if symmetry in _CUBIC:
            return bulk(elements[0], cubic=True), f"{symmetry} {elements[0]}"
    spacing = max(2.0 * sum(radii) / len(radii), _SMALLEST_SPACING)
    sites = bulk("NaCl", "rocksalt", a=2.0 * spacing, cubic=True)
    sites.symbols[:] = elements[0]
    return sites, f"{' '.join(elements)} on the sites of rock salt"


def _repetitions(n_cells: float) -> tuple[int, int, int]:
    """Three numbers that differ by at most one, with the product nearest to `n_cells`."""
    base = max(int(n_cells ** (1 / 3) + 1e-9), 1)
    choices = itertools.combinations_with_replacement((base, base + 1), 3)
    return min(choices, key=lambda numbers: abs(math.prod(numbers) - n_cells))
