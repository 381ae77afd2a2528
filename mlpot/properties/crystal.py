"""Crystals as the properties need them: from a name or a file, relaxed, primitive, conventional, as supercells.

Symmetry is pymatgen's (spglib's); every function takes and gives ASE atoms.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator
from numpy.typing import NDArray
from pymatgen.core import Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from mlpot.errors import ConfigError, PropertyError
from mlpot.neighbors.matscipy import FloatArray
from mlpot.simulation import read_structure, relax

COLLAPSED = 0.05
"""A crystal that is relaxed to less than this fraction of its volume falls into a hole without bottom."""

SYMMETRY_TOLERANCE = 0.01
"""Distance (A) within which atoms count as related by symmetry."""


@dataclass(frozen=True)
class Symmetry:
    """Symmetry of a crystal.

    Attributes
    ----------
    space_group : str
        International symbol.
    crystal_system : str
        ``cubic``, ``hexagonal``, ...
    rotations : (n, 3, 3)
        Of the point group, in Cartesian coordinates.
    equivalent_atoms : (n_atoms,), int
        For each atom the first one that symmetry makes its equal.
    """

    space_group: str
    crystal_system: str
    rotations: FloatArray
    equivalent_atoms: NDArray[np.int64]


def structure_from(text: str) -> Atoms:
    """Structure that a user named on the command line.

    Parameters
    ----------
    text : str
        A file that ASE reads (its last structure counts), or ``FORMULA:PROTOTYPE:a:c`` with the prototypes of
        `ase.build.bulk` and lengths in A: ``Si:diamond:5.43``, ``Mg:hcp:3.2:5.2``, ``NaCl:rocksalt:5.6``. For an
        element what is not given comes from ASE's table.

    Returns
    -------
    ase.Atoms

    Raises
    ------
    ConfigError
        Neither a file nor a prototype.
    """
    if Path(text).is_file():
        return read_structure(Path(text))
    name, *prototype = text.split(":")
    try:
        lengths = dict(zip(("a", "c"), map(float, prototype[1:]), strict=False))
        return bulk(name, prototype[0] if prototype else None, **lengths)
    except (ValueError, KeyError, TypeError, NotImplementedError, RuntimeError) as error:
        raise ConfigError(
            f"{text!r} is neither a file nor a crystal; expected a file that ASE reads or "
            f"FORMULA:PROTOTYPE:LATTICE_CONSTANT such as Si:diamond:5.43 ({error})"
        ) from error


def relaxed_crystal(atoms: Atoms, calculator: Calculator, *, fmax: float = 1e-4, steps: int = 500) -> Atoms:
    """Conventional cell of a crystal, cell and atoms relaxed.

    Parameters
    ----------
    atoms : ase.Atoms
        Any cell of the crystal.
    calculator : ase.calculators.calculator.Calculator
    fmax : float, eV/A
    steps : int
        At most.

    Returns
    -------
    ase.Atoms
        In the standard orientation (cubic axes along x, y, z; hexagonal axis along z), with the calculator.

    Raises
    ------
    PropertyError
        The relaxation does not converge or has no end, or atoms that are not a crystal.
    """
    crystal = conventional_cell(atoms)
    crystal.calc = calculator
    smallest = COLLAPSED * crystal.get_volume()

    def watch(step: int, force: float) -> None:
        if crystal.get_volume() < smallest:
            raise PropertyError(f"the crystal {crystal.get_chemical_formula()} collapses when it is relaxed: a hole")

    result = relax(crystal, cell=True, fmax=fmax, steps=steps, on_step=watch)
    if not result.converged:
        raise PropertyError(
            f"the crystal {crystal.get_chemical_formula()} does not relax: {result.max_force:.2g} eV/A is left after "
            f"{result.steps} steps, expected {fmax:g}. Start from a structure nearer to a minimum of this potential"
        )
    return crystal


def conventional_cell(atoms: Atoms) -> Atoms:
    """Conventional standard cell of a crystal.

    Parameters
    ----------
    atoms : ase.Atoms

    Returns
    -------
    ase.Atoms
    """
    with quiet_pymatgen():
        return atoms_from(_analyzer(atoms).get_conventional_standard_structure())


def primitive_cell(atoms: Atoms) -> Atoms:
    """Smallest cell of a crystal.

    Parameters
    ----------
    atoms : ase.Atoms

    Returns
    -------
    ase.Atoms
    """
    with quiet_pymatgen():
        return atoms_from(_analyzer(atoms).get_primitive_standard_structure())


def symmetry_of(atoms: Atoms) -> Symmetry:
    """Symmetry of a crystal.

    Parameters
    ----------
    atoms : ase.Atoms

    Returns
    -------
    Symmetry

    Raises
    ------
    PropertyError
        Not periodic in three directions.
    """
    with quiet_pymatgen():
        analyzer = _analyzer(atoms)
        rotations = [op.rotation_matrix for op in analyzer.get_point_group_operations(cartesian=True)]
        return Symmetry(
            space_group=analyzer.get_space_group_symbol(),
            crystal_system=str(analyzer.get_crystal_system()),
            rotations=np.array(rotations),
            equivalent_atoms=np.array(analyzer.get_symmetry_dataset().equivalent_atoms),
        )


def structure_of(atoms: Atoms) -> Structure:
    """Structure of pymatgen with only elements, positions and cell.

    Parameters
    ----------
    atoms : ase.Atoms

    Returns
    -------
    pymatgen.core.Structure
    """
    return Structure(atoms.cell.array, atoms.get_chemical_symbols(), atoms.get_scaled_positions())


def atoms_from(structure: Structure) -> Atoms:
    """ASE atoms with only elements, positions and cell.

    Parameters
    ----------
    structure : pymatgen.core.Structure

    Returns
    -------
    ase.Atoms
    """
    symbols = [site.specie.symbol for site in structure]
    return Atoms(symbols, scaled_positions=structure.frac_coords, cell=structure.lattice.matrix, pbc=True)


def repeats(atoms: Atoms, shortest: float) -> tuple[int, int, int]:
    """How often each cell vector must be repeated for opposite faces to be far enough apart.

    Parameters
    ----------
    atoms : ase.Atoms
    shortest : float, A
        Least distance between opposite faces.

    Returns
    -------
    tuple of int
    """
    # A cell that was relaxed to 9.9999 A is long enough for 10 A.
    x, y, z = (max(1, int(np.ceil(shortest / distance - 1e-3))) for distance in face_distances(atoms))
    return x, y, z


def face_distances(atoms: Atoms) -> FloatArray:
    """Distances between opposite faces of the cell.

    Parameters
    ----------
    atoms : ase.Atoms

    Returns
    -------
    distances : (3,), A
    """
    a, b, c = atoms.cell.array
    areas = np.linalg.norm([np.cross(b, c), np.cross(c, a), np.cross(a, b)], axis=1)
    return np.asarray(atoms.cell.volume / areas)


@contextmanager
def quiet_pymatgen() -> Iterator[None]:
    """Suppress warnings of spglib for pymatgen's developers, and of pymatgen about noble gases."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", message="No Pauling electronegativity")
        yield


def _analyzer(atoms: Atoms) -> SpacegroupAnalyzer:
    if not atoms.pbc.all():
        raise PropertyError(f"a crystal is periodic in three directions, got pbc = {atoms.pbc.tolist()}")
    structure = structure_of(atoms)
    try:
        return SpacegroupAnalyzer(structure, symprec=SYMMETRY_TOLERANCE)
    except (ValueError, TypeError) as error:
        raise PropertyError(f"{atoms.get_chemical_formula()} has no symmetry that can be found: {error}") from error
