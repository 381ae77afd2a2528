"""Lattice constant, elastic constants and vacancy of a cubic crystal by the DFT code of a loop and by potentials.

    mlpot active export silicon-gpaw.db held_out.extxyz --part held_out
    python benchmarks/against_dft.py silicon-gpaw.yaml held_out.extxyz accurate.pt fast.pt --output against_dft

The code and its parameters are those of the configuration, so that a potential is compared with its training data.
Crystals are computed in their primitive cell: with k-points of one density and Gamma among them, these are the points
of a supercell of it. Forces are compared on held-out labels of the loop. Results of the code are stored in
`OUTPUT/dft.json`, property by property, and not computed again. `mlpot properties` takes larger cells and hundreds of
evaluations, too many for a DFT code.
"""

import json
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from ase import Atoms, units
from ase.calculators.calculator import Calculator
from ase.eos import EquationOfState
from rich.console import Console
from rich.table import Table

from mlpot.active_learning.calculation.calculators import make_calculator
from mlpot.active_learning.config import LoopConfig, read_loop_config
from mlpot.active_learning.initial.structures import base_cell
from mlpot.calculator import load
from mlpot.data import read_structures
from mlpot.properties.crystal import conventional_cell, primitive_cell
from mlpot.simulation import relax

VOLUMES = np.linspace(0.94, 1.06, 7)
STRAIN = 0.01
FMAX = 0.01  # eV/A, of relaxations
Results = dict[str, float]


def once(path: Path | None, name: str, compute: Callable[[], Results]) -> Results:
    """Return the result of `compute`; with a file, it is stored there and computed once."""
    if path is None:
        return compute()
    known: dict[str, Results] = json.loads(path.read_text()) if path.exists() else {}
    if name not in known:
        known[name] = compute()
        path.write_text(json.dumps(known, indent=1) + "\n")
    return known[name]


def lattice(crystal: Atoms, calculator: Calculator) -> Results:
    """Lattice constant (A) and bulk modulus (GPa) from energies; `crystal` is primitive."""
    volumes, energies = [], []
    for factor in VOLUMES:
        atoms = _scaled(crystal, factor ** (1 / 3))
        atoms.calc = calculator
        volumes.append(atoms.get_volume())
        energies.append(atoms.get_potential_energy(force_consistent=True))
    volume, _, bulk = EquationOfState(volumes, energies, eos="birchmurnaghan").fit()
    length = conventional_cell(crystal).cell.lengths()[0]
    return {"a, A": length * (volume / crystal.get_volume()) ** (1 / 3), "B, GPa": bulk / units.GPa}


def elastic(crystal: Atoms, calculator: Calculator) -> Results:
    """Elastic constants of a cubic crystal (GPa) from stresses at strains of one percent, atoms relaxed."""

    def slope(component: int, i: int, j: int) -> float:
        stresses = []
        for strain in (-STRAIN, STRAIN):
            matrix = np.eye(3)
            matrix[i, j] += 0.5 * strain
            matrix[j, i] += 0.5 * strain
            atoms = crystal.copy()
            atoms.set_cell(atoms.cell.array @ matrix, scale_atoms=True)
            atoms.calc = calculator
            _relaxed(atoms)
            stresses.append(atoms.get_stress()[component])
        return (stresses[1] - stresses[0]) / (2 * STRAIN) / units.GPa

    return {"C11, GPa": slope(0, 0, 0), "C12, GPa": slope(1, 0, 0), "C44, GPa": slope(3, 1, 2)}


def vacancy(supercell: Atoms, calculator: Calculator) -> Results:
    """Compute the formation energy of a vacancy (eV), relaxed in the cell of the crystal."""
    supercell.calc = calculator
    perfect = supercell.get_potential_energy(force_consistent=True)
    defect = supercell.copy()
    del defect[0]
    defect.rattle(0.01, rng=np.random.default_rng(0))
    defect.calc = calculator
    _relaxed(defect)
    part = len(defect) / len(supercell)
    return {"vacancy, eV": defect.get_potential_energy(force_consistent=True) - part * perfect}


def forces(frames: Path, calculator: Calculator) -> Results:
    """Errors of the forces on labels of each kind (RMSE, meV/A)."""
    squares = defaultdict(list)
    for one in read_structures(frames, required=["forces"]):
        atoms = one.atoms.copy()
        atoms.calc = calculator
        squares[one.config_type].append((atoms.get_forces() - one.forces) ** 2)
    return {
        f"forces, {kind} ({len(blocks)}), meV/A": 1e3 * float(np.sqrt(np.concatenate(blocks).mean()))
        for kind, blocks in sorted(squares.items())
    }


def _relaxed(atoms: Atoms) -> None:
    if not relax(atoms, fmax=FMAX, optimizer="bfgs").converged:
        raise RuntimeError(f"{atoms.get_chemical_formula()} does not relax to {FMAX} eV/A")


def _scaled(atoms: Atoms, factor: float) -> Atoms:
    scaled = atoms.copy()
    scaled.set_cell(factor * atoms.cell.array, scale_atoms=True)
    return scaled


def compare(config: LoopConfig, calculator: Calculator, known: Path | None = None) -> Results:
    """All properties of the first system by one calculator."""
    cell = base_cell(config.systems[0])
    crystal = primitive_cell(cell)
    found = once(known, "lattice", partial(lattice, crystal, calculator))
    factor = found["a, A"] / conventional_cell(crystal).cell.lengths()[0]
    found = found | once(known, "elastic", partial(elastic, _scaled(crystal, factor), calculator))
    return found | once(known, "vacancy", partial(vacancy, _scaled(cell, factor), calculator))


def main(
    config: Path,
    held_out: Path,
    potentials: list[Path],
    output: Annotated[Path, typer.Option()] = Path("against_dft"),
) -> None:
    """Compare potentials with the DFT code of a loop."""
    output.mkdir(parents=True, exist_ok=True)
    settings = read_loop_config(config)
    label = settings.label
    code = make_calculator(label.code, label.parameters, label.command, output)
    columns = {label.code: compare(settings, code, output / "dft.json")}
    for path in potentials:
        calculator = load(path, threads=1, precision="double")
        columns[str(path)] = compare(settings, calculator) | forces(held_out, calculator)
    table = Table("", *columns)
    for name in dict.fromkeys(key for values in columns.values() for key in values):
        table.add_row(name, *(f"{values[name]:.4g}" if name in values else "" for values in columns.values()))
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
