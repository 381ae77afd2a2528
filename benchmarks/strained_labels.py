"""Lattice constant and elastic constants of a data set, from its energies and stresses of strained crystals.

    python benchmarks/strained_labels.py Cu_train.extxyz --lattice-constant 3.6164 --atoms-in-cell 4

The energies of crystals whose forces vanish, with one strain of the cubic cell each, are fitted by a polynomial of the
third degree in it. The slope at no strain is the pressure that the labels have at the lattice constant of the data;
with the bulk modulus it gives the lattice constant that a potential can reproduce. Stresses, where there are any, are
fitted separately, by the derivative of such a polynomial: they also determine C12, which energies under strains
along one axis do not. Figures in docs/accuracy.md and the cards of `potentials` come from here.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from ase import Atoms
from ase.units import GPa
from numpy.typing import NDArray

from mlpot.data.reading import iterate_atoms

STILL = 0.02
"""Largest force of an ideal crystal, eV/A."""


def main(
    file: Annotated[Path, typer.Argument(help="labelled structures")],
    lattice_constant: Annotated[float, typer.Option(help="of the unstrained crystal of the data, A")],
    atoms_in_cell: Annotated[int, typer.Option(help="of the cubic cell: 4 for fcc, 8 for diamond")],
    bulk_modulus: Annotated[float, typer.Option(help="GPa: turns the slope into a lattice constant")],
    largest: Annotated[float, typer.Option(help="strain up to which the polynomial holds")] = 0.03,
) -> None:
    """Print slope, elastic constants and lattice constant of the labels."""
    strains, energies, stresses = [], [], []
    for atoms in iterate_atoms(file):
        strain = green_strain(atoms, lattice_constant, atoms_in_cell, largest)
        if strain is None or abs(atoms.get_forces()).max() > STILL:
            continue
        strains.append(strain)
        energies.append(atoms.get_potential_energy() / len(atoms))
        if "stress" in atoms.calc.results:
            stresses.append(stress_per_reference(atoms, lattice_constant, atoms_in_cell))
    strained, volume = np.array(strains), lattice_constant**3 / atoms_in_cell
    stress, c11, c44 = fit_energies(strained, np.array(energies), volume)
    typer.echo(f"{len(strains)} crystals, at {lattice_constant} A:")
    typer.echo(f"energies: stress {stress:.2f}, C11 {c11:.0f}, C44 {c44:.0f} GPa")
    typer.echo(f"lattice constant of the energies {lattice_constant * (1.0 - stress / (3.0 * bulk_modulus)):.4f} A")
    if len(stresses) == len(strains):
        stress, c11, c12, c44 = fit_stresses(strained, np.array(stresses))
        typer.echo(f"stresses: {stress:.2f}, C11 {c11:.0f}, C12 {c12:.0f}, C44 {c44:.0f} GPa")


def green_strain(
    atoms: Atoms, lattice_constant: float, atoms_in_cell: int, largest: float
) -> NDArray[np.float64] | None:
    """Strain of a cubic supercell (6,), shear as the sum of both components; None for others and larger ones."""
    repeats = round((len(atoms) / atoms_in_cell) ** (1 / 3))
    if atoms_in_cell * repeats**3 != len(atoms):
        return None
    cell = atoms.cell.array / (repeats * lattice_constant)
    strain = 0.5 * (cell @ cell.T - np.eye(3))
    if np.abs(strain).max() > largest:
        return None
    shear = 2.0 * strain[[1, 0, 0], [2, 2, 1]]
    return np.concatenate([np.diag(strain), shear])


def stress_per_reference(atoms: Atoms, lattice_constant: float, atoms_in_cell: int) -> NDArray[np.float64]:
    """Second Piola-Kirchhoff stress, the derivative of the energy per unstrained volume, (6,), eV/A^3."""
    repeats = round((len(atoms) / atoms_in_cell) ** (1 / 3))
    gradient = atoms.cell.array.T / (repeats * lattice_constant)
    inverse = np.linalg.inv(gradient)
    stress = np.linalg.det(gradient) * inverse @ atoms.get_stress(voigt=False) @ inverse.T
    return stress[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]


def fit_energies(strain: NDArray[np.float64], energy: NDArray[np.float64], volume: float) -> tuple[float, float, float]:
    """Stress, C11 and C44 at no strain, GPa."""
    normal, shear = strain[:, :3], strain[:, 3:]
    side = normal.sum(axis=1, keepdims=True) - normal
    terms = [
        volume * normal.sum(axis=1),
        0.5 * volume * (normal**2).sum(axis=1),
        0.5 * volume * (shear**2).sum(axis=1),
        (normal**3).sum(axis=1),
        (side * shear**2).sum(axis=1),
    ]
    matrix = np.column_stack([np.ones(len(energy)), *terms])
    _, stress, c11, c44, *_ = solved(matrix, energy)
    return stress, c11, c44


def fit_stresses(strain: NDArray[np.float64], stress: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """Stress, C11, C12 and C44 at no strain, GPa, with all third-order constants of a cubic crystal."""
    normal, shear = strain[:, :3], strain[:, 3:]
    following, last = np.roll(normal, -1, axis=1), np.roll(normal, 1, axis=1)
    side, sheared = following + last, np.roll(shear, -1, axis=1) ** 2 + np.roll(shear, 1, axis=1) ** 2
    none = np.zeros_like(normal)
    terms = [  # derivatives by the normal strains, by the shears
        (none + 1.0, none),
        (normal, none),
        (side, none),
        (none, shear),
        (normal**2, none),  # C111 / 2
        (2.0 * normal * side + following**2 + last**2, none),  # C112 / 2
        (following * last, none),  # C123
        (0.5 * shear**2, normal * shear),  # C144
        (0.5 * sheared, side * shear),  # C155
        (none, np.roll(shear, -1, axis=1) * np.roll(shear, 1, axis=1)),  # C456
    ]
    matrix = np.stack([np.concatenate(pair, axis=1).ravel() for pair in terms], axis=1)
    pressed, c11, c12, c44, *_ = solved(matrix, stress.ravel())
    return pressed, c11, c12, c44


def solved(matrix: NDArray[np.float64], values: NDArray[np.float64]) -> list[float]:
    """Least squares, GPa; nan for constants that no structure determines."""
    determined = np.abs(matrix).max(axis=0) > 1e-6
    solution = np.full(matrix.shape[1], np.nan)
    solution[determined] = np.linalg.lstsq(matrix[:, determined], values, rcond=None)[0] / GPa
    return solution.tolist()


if __name__ == "__main__":
    typer.run(main)
