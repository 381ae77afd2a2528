"""What the density gate does on frames outside of the training set: densities, and force errors by margin.

    python benchmarks/extrapolation.py model.pt train_mixedT.extxyz@:167 train_mixedT.extxyz@167:334 \
        train_mixedT.extxyz@334:

A line for each set of frames, given in ASE's notation, and each factor on the stored limits of layers after the first
(`mlpot/training/max_density.py`): with 0.5 the gate begins at the largest density of the training set. Columns: largest
density over the limit in the first layer and in later ones, fraction of gated atoms, RMSE of the forces with the gate
and without (where the frames have forces), and root mean square of what the gate changes, meV/A.
"""

from pathlib import Path
from typing import Annotated

import ase.io
import numpy as np
import torch
import typer
from ase import Atoms

from mlpot.model import Potential, evaluate, main_potential
from mlpot.model_file.torchscript import potential_from_file
from mlpot.neighbors.matscipy import FloatArray, graph_from_atoms


def main(
    model: Annotated[Path, typer.Argument(help="model.pt of several layers")],
    frames: Annotated[list[str], typer.Argument(help="structures, `file@first:last`")],
    factor: Annotated[list[float] | None, typer.Option(help="on the stored limits; by default 0.5 and 1")] = None,
) -> None:
    """Print the table."""
    disabled = potential(model, 1.0)
    disabled.disable_gate()
    typer.echo("frames,factor,first density,later density,gated,forces rmse,without gate,change")
    for name in frames:
        structures = ase.io.read(name, ":") if "@" not in name else ase.io.read(name)
        without = forces(disabled, structures)
        for value in factor or [0.5, 1.0]:
            gated = potential(model, value)
            excess = np.concatenate([excesses(gated, atoms) for atoms in structures], 1)
            found = forces(gated, structures)
            numbers = [*excess.max(1), (excess > 1.0).any(0).mean(), *errors(structures, found, without)]
            typer.echo(",".join([name, f"{value:g}", *(f"{number:.4g}" for number in numbers)]))


def potential(model: Path, factor: float) -> Potential:
    """Read the potential of a file, in float64, and multiply the limits of its later layers."""
    found = main_potential(potential_from_file(model)).double()
    for layer in found.layers[1:]:
        layer.max_density.mul_(factor)
    return found


def excesses(gated: Potential, atoms: Atoms) -> FloatArray:
    """Densities over the limits (2, n_atoms): of the first layer, and the largest of later layers."""
    graph = graph_from_atoms(atoms, gated.atomic_numbers, gated.cutoff)
    limits = torch.stack([layer.max_density for layer in gated.layers])
    with torch.no_grad():
        squares = gated.describe(graph.species, graph.edge_index, graph.edge_vectors).densities
    ratios = (squares / limits[:, graph.species]).numpy()
    return np.stack([ratios[0], ratios[1:].max(0)])


def forces(potential: Potential, structures: list[Atoms]) -> FloatArray:
    """Evaluate the forces on all atoms of all structures, eV/A."""
    graphs = (graph_from_atoms(atoms, potential.atomic_numbers, potential.cutoff) for atoms in structures)
    return np.concatenate([evaluate(potential, graph).forces.numpy() for graph in graphs])


def errors(structures: list[Atoms], gated: FloatArray, without: FloatArray) -> tuple[float, float, float]:
    """RMSE of the forces with and without the gate, and of one against the other, meV/A."""
    labels = np.full_like(gated, np.nan)
    if all(atoms.calc is not None for atoms in structures):
        labels = np.concatenate([atoms.get_forces() for atoms in structures])
    pairs = ((gated, labels), (without, labels), (gated, without))
    first, second, third = (1e3 * float(np.sqrt(np.mean((a - b) ** 2))) for a, b in pairs)
    return first, second, third


if __name__ == "__main__":
    typer.run(main)
