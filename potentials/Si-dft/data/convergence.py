"""Measure what the settings of the data set cost in accuracy, and that its labels belong to one energy.

    python convergence.py FOLDER

Takes structures of the data set, calculates them with denser k-points and with a cutoff of 600 eV, and prints the
differences; then compares a force and two stress components with finite differences of the free energy. Results are
kept in FOLDER, like the labels. The figures are those of ``DATA.md``.
"""

import argparse
from pathlib import Path

import numpy as np
from ase import Atoms
from make_dataset import CUTOFF, k_points, label, load_structures, usual_spacing
from rich.console import Console
from rich.table import Table

GPA = 160.21766  # per eV/A^3
GROUPS = (
    "diamond_eos-cubic-1.008",
    "polymorph-beta-tin-1.0",
    "polymorph-simple-cubic-1.0",
    "vacancy-0",
    "surface-001-0",
    "liquid-0",
)
DENSER = 1.5  # times as many k-points along each axis, or the next even number
HIGH_CUTOFF = 600.0  # eV
DISPLACED, DISPLACEMENT = "rattled-0", 0.01  # A
STRAIN = 0.004


def first_of(group: str, structures: list[Atoms]) -> Atoms:
    """First structure of `group`."""
    return next(atoms for atoms in structures if atoms.info["group"] == group)


def compare(atoms: Atoms, folder: Path, cutoff: float, spacing: float) -> tuple[float, float, float]:
    """Energy change (meV/atom), RMS force change (meV/A) and largest stress change (GPa) from better settings."""
    usual, better = label(atoms, folder), label(atoms, folder, cutoff, spacing)
    energy = 1000 * (better["energy"] - usual["energy"]) / len(atoms)
    forces = 1000 * np.sqrt(np.mean((np.array(better["forces"]) - np.array(usual["forces"])) ** 2))
    stress = GPA * np.abs(np.array(better["stress"]) - np.array(usual["stress"])).max()
    return energy, float(forces), float(stress)


def convergence_table(structures: list[Atoms], folder: Path) -> Table:
    """Errors of k-points and cutoff of each of ``GROUPS``."""
    table = Table("structure", "k-points", "RMS force", "change", "energy meV/atom", "force meV/A", "stress GPa")
    for group in GROUPS:
        atoms = first_of(group, structures)
        axes, usual = tuple(atoms.info["vacuum_axes"]), usual_spacing(atoms)
        force = np.sqrt(np.mean(np.square(label(atoms, folder)["forces"])))
        sizes = "x".join(map(str, k_points(atoms, axes, usual)))
        denser = "x".join(map(str, k_points(atoms, axes, usual / DENSER)))
        for change, cutoff, spacing in (
            (f"k {denser}", CUTOFF, usual / DENSER),
            ("600 eV", HIGH_CUTOFF, usual),
        ):
            numbers = compare(atoms, folder, cutoff, spacing)
            table.add_row(group, sizes, f"{force:.3f} eV/A", change, *(f"{number:.3f}" for number in numbers))
    return table


def force_difference(atoms: Atoms, folder: Path) -> tuple[float, float]:
    """Largest force component of `atoms`, as calculated and as finite difference, eV/A."""
    forces = np.array(label(atoms, folder)["forces"])
    atom, axis = np.unravel_index(np.abs(forces).argmax(), forces.shape)
    energies = []
    for sign in (1, -1):
        moved = atoms.copy()
        moved.positions[atom, axis] += sign * DISPLACEMENT
        energies.append(label(moved, folder)["energy"])
    return float(forces[atom, axis]), (energies[1] - energies[0]) / (2 * DISPLACEMENT)


def stress_difference(atoms: Atoms, folder: Path, first: int, second: int) -> tuple[float, float]:
    """One stress component of `atoms`, as calculated and as finite difference, GPa."""
    voigt = {(0, 0): 0, (1, 1): 1, (2, 2): 2, (1, 2): 3, (0, 2): 4, (0, 1): 5}[first, second]
    energies = []
    for sign in (1, -1):
        strain = np.zeros((3, 3))
        strain[first, second] += sign * STRAIN / 2
        strain[second, first] += sign * STRAIN / 2
        deformed = atoms.copy()
        deformed.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
        energies.append(label(deformed, folder)["energy"])
    numeric = (energies[0] - energies[1]) / (2 * STRAIN) / atoms.get_volume()
    return GPA * label(atoms, folder)["stress"][voigt], GPA * numeric


def main() -> None:
    """Print the two tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where labels and structures are kept")
    folder = parser.parse_args().folder
    console = Console()
    structures = load_structures(folder)
    atoms = first_of(DISPLACED, structures)
    checks = Table("finite difference", "label", "numeric")
    for name, (analytic, numeric) in {
        "force, eV/A": force_difference(atoms, folder),
        "stress xx, GPa": stress_difference(atoms, folder, 0, 0),
        "stress xy, GPa": stress_difference(atoms, folder, 0, 1),
    }.items():
        checks.add_row(name, f"{analytic:.4f}", f"{numeric:.4f}")
    console.print(checks)
    console.print(convergence_table(structures, folder))


if __name__ == "__main__":
    main()
