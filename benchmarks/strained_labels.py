"""What the energies of strained crystals in a data set say themselves of its lattice constant and elastic constants.

    python benchmarks/strained_labels.py Cu_train.extxyz --lattice-constant 3.6164 --atoms-in-cell 4

The energies of crystals whose forces vanish, with one strain of the cubic cell each, are fitted by a polynomial of the
third degree in it. The slope at no strain is the pressure that the labels have at the lattice constant of the data;
with the bulk modulus it gives the one that a potential can find. Behind the figures in the cards of `potentials`.
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

LARGEST = 0.03
"""Strain up to which the polynomial holds."""


def main(
    file: Annotated[Path, typer.Argument(help="labelled structures")],
    lattice_constant: Annotated[float, typer.Option(help="of the unstrained crystal of the data, A")],
    atoms_in_cell: Annotated[int, typer.Option(help="of the cubic cell: 4 for fcc, 8 for diamond")],
    bulk_modulus: Annotated[float, typer.Option(help="GPa: turns the slope into a lattice constant")],
) -> None:
    """Print slope, elastic constants and lattice constant of the labels."""
    rows = []
    for atoms in iterate_atoms(file):
        strain = green_strain(atoms, lattice_constant, atoms_in_cell)
        if strain is not None and abs(atoms.get_forces()).max() < STILL:
            rows.append([*strain, atoms.get_potential_energy() / len(atoms)])
    found = np.array(rows)
    stress, c11, c44 = fit(found[:, :6], found[:, 6], lattice_constant**3 / atoms_in_cell)
    typer.echo(
        f"{len(rows)} crystals: stress at {lattice_constant} A {stress:.2f} GPa; C11 {c11:.0f}, C44 {c44:.0f} GPa"
    )
    typer.echo(f"lattice constant of the labels {lattice_constant * (1.0 - stress / (3.0 * bulk_modulus)):.4f} A")


def green_strain(atoms: Atoms, lattice_constant: float, atoms_in_cell: int) -> NDArray[np.float64] | None:
    """Strain of a cubic supercell (6,), shear as the sum of both components; None for other structures."""
    repeats = round((len(atoms) / atoms_in_cell) ** (1 / 3))
    if atoms_in_cell * repeats**3 != len(atoms):
        return None
    cell = atoms.cell.array / (repeats * lattice_constant)
    strain = 0.5 * (cell @ cell.T - np.eye(3))
    if np.abs(strain).max() > LARGEST:
        return None
    shear = 2.0 * strain[[1, 0, 0], [2, 2, 1]]
    return np.concatenate([np.diag(strain), shear])


def fit(strain: NDArray[np.float64], energy: NDArray[np.float64], volume: float) -> tuple[float, float, float]:
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
    _, stress, c11, c44, *_ = np.linalg.lstsq(matrix, energy, rcond=None)[0] / GPa
    return float(stress), float(c11), float(c44)


if __name__ == "__main__":
    typer.run(main)
