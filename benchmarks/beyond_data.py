"""Structures around the data, labelled by a one-layer potential, for the training of a deeper one.

    python benchmarks/beyond_data.py Si_train.extxyz --model Si/fast --output beyond.extxyz

Beyond the data, models of one layer extrapolate smoothly; those of several layers may have holes (`mlpot check`).
Structures of usual density are drawn, rattled, and scaled to 0.3 to 1.7 of their volume. This is for crystals: models
of molecules did not improve with such structures (research/accuracy.md).
"""

from pathlib import Path
from typing import Annotated

import ase.io
import numpy as np
import typer
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

import mlpot
from mlpot.data.reading import iterate_atoms

VOLUMES = (0.3, 1.7)
RATTLE = (0.05, 0.4)
"""Standard deviation of the displacements before the volume changes, A."""

DENSE = 1.3
"""Volumes of an atom above so many medians are those of surfaces, clusters and gas."""


def main(
    data: Annotated[Path, typer.Argument(help="labelled structures")],
    model: Annotated[str, typer.Option(help="model.pt or the name of a potential")],
    output: Annotated[Path, typer.Option(help="extended XYZ")],
    frames: Annotated[int, typer.Option(help="number of structures")] = 24,
    seed: Annotated[int, typer.Option()] = 0,
) -> None:
    """Write altered structures with energies, forces and stresses of the model."""
    rng = np.random.default_rng(seed)
    dense = dense_structures(list(iterate_atoms(data)))
    calculator = mlpot.load(model)
    ase.io.write(output, [altered(dense[rng.integers(len(dense))], calculator, rng) for _ in range(frames)])


def dense_structures(structures: list[Atoms]) -> list[Atoms]:
    """Leave out structures that are not periodic in three directions or contain vacuum."""
    periodic = [atoms for atoms in structures if atoms.pbc.all()]
    volumes = np.array([atoms.get_volume() / len(atoms) for atoms in periodic])
    return [atoms for atoms, volume in zip(periodic, volumes, strict=True) if volume < DENSE * np.median(volumes)]


def altered(atoms: Atoms, calculator: mlpot.MLPotCalculator, rng: np.random.Generator) -> Atoms:
    """One altered structure with its labels."""
    result = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell.array, pbc=True)
    result.rattle(rng.uniform(*RATTLE), rng=rng)
    factor = rng.uniform(*VOLUMES) ** (1.0 / 3.0)
    result.positions *= factor
    result.cell *= factor
    result.calc = calculator
    labels = {"energy": result.get_potential_energy(), "forces": result.get_forces(), "stress": result.get_stress()}
    result.calc = SinglePointCalculator(result, **labels)
    return result


if __name__ == "__main__":
    typer.run(main)
