"""Close atoms, with the labels of a one-layer potential: walls for a deeper one to learn.

    python benchmarks/walls.py Si_train.extxyz --model Si/fast --output walls.extxyz --squeezed 16
    python benchmarks/walls.py first_950.extxyz --model ethanol/fast --output walls.extxyz --clusters 150

Where data end, models of one layer go on smoothly; those of several may fall where atoms come close (`mlpot check` says
so). Squeezed are structures of usual density, at 0.35 to 0.8 of their volume; clusters are two to four atoms, from half
to twice their covalent contact.
"""

import itertools
from pathlib import Path
from typing import Annotated

import ase.io
import numpy as np
import typer
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

import mlpot
from mlpot.data.reading import iterate_atoms
from mlpot.properties.short_range import contact

VOLUMES = (0.35, 0.8)
RATTLE = 0.05
"""Standard deviation of the displacements, A."""

DENSE = 1.3
"""Volumes of an atom above so many medians are those of surfaces, clusters and gas."""

DISTANCES = (0.5, 2.0)
"""Of an atom of a cluster from the one before it, in covalent contacts."""

STEEPEST = 30.0
"""Clusters with a larger force (eV/A) would outweigh the data."""


def main(
    data: Annotated[Path, typer.Argument(help="labelled structures")],
    model: Annotated[str, typer.Option(help="model.pt or the name of a potential")],
    output: Annotated[Path, typer.Option(help="extended XYZ")],
    squeezed: Annotated[int, typer.Option(help="number of squeezed structures")] = 0,
    clusters: Annotated[int, typer.Option(help="number of clusters")] = 0,
    seed: Annotated[int, typer.Option()] = 0,
) -> None:
    """Write structures with energies, forces and, where they are periodic, stresses of the model."""
    rng = np.random.default_rng(seed)
    structures, calculator = list(iterate_atoms(data)), mlpot.load(model)
    found: list[Atoms] = []
    if squeezed:
        dense = dense_structures(structures)
        found += [labelled(squeeze(dense[rng.integers(len(dense))], rng), calculator) for _ in range(squeezed)]
    while len(found) < squeezed + clusters:
        atoms = labelled(cluster(calculator.model.manifest.elements, rng), calculator)
        if abs(atoms.get_forces()).max() < STEEPEST:
            found.append(atoms)
    ase.io.write(output, found)


def dense_structures(structures: list[Atoms]) -> list[Atoms]:
    """Leave out what is not periodic in three directions or has room in it."""
    periodic = [atoms for atoms in structures if atoms.pbc.all()]
    volumes = np.array([atoms.get_volume() / len(atoms) for atoms in periodic])
    return [atoms for atoms, volume in zip(periodic, volumes, strict=True) if volume < DENSE * np.median(volumes)]


def squeeze(atoms: Atoms, rng: np.random.Generator) -> Atoms:
    """Compress and rattle a structure."""
    result = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell.array, pbc=True)
    result.set_cell(result.cell * rng.uniform(*VOLUMES) ** (1.0 / 3.0), scale_atoms=True)
    result.rattle(RATTLE, rng=rng)
    return result


def cluster(elements: tuple[str, ...], rng: np.random.Generator) -> Atoms:
    """Two to four atoms, each within reach of the one before."""
    symbols = rng.choice(elements, size=rng.integers(2, 5))
    places = [np.zeros(3)]
    for first, second in itertools.pairwise(symbols):
        direction = rng.normal(size=3)
        distance = rng.uniform(*DISTANCES) * contact(first, second)
        places.append(places[-1] + distance * direction / np.linalg.norm(direction))
    return Atoms(symbols, places)


def labelled(atoms: Atoms, calculator: mlpot.MLPotCalculator) -> Atoms:
    """Attach what the model says."""
    atoms.calc = calculator
    labels = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
    if atoms.pbc.all():
        labels["stress"] = atoms.get_stress()
    atoms.calc = SinglePointCalculator(atoms, **labels)
    return atoms


if __name__ == "__main__":
    typer.run(main)
