"""The self-test of a model file: a small structure with the results that every engine must reproduce."""

import numpy as np
import torch
from ase import Atoms
from ase.data import covalent_radii

from mlpot.model import (
    AnyPotential,
    Committee,
    MemberPredictions,
    Prediction,
    evaluate,
    evaluate_members,
    main_potential,
)
from mlpot.model.graph import Graph
from mlpot.model_file.manifest import ReferenceResults, SelfTest
from mlpot.neighbors.matscipy import graph_from_atoms


def make_self_test(model: AnyPotential) -> SelfTest:
    """Two displaced atoms of each element (at most 16), no denser than the data, where float32 is accurate."""
    potential = main_potential(model)
    rng = np.random.default_rng(0)
    numbers = np.resize(potential.atomic_numbers, min(16, max(4, 2 * len(potential.atomic_numbers))))
    spacing = 2.2 * float(np.mean(covalent_radii[numbers]))
    side = int(np.ceil(len(numbers) ** (1 / 3)))
    grid = np.stack(np.meshgrid(*[np.arange(side)] * 3, indexing="ij"), -1).reshape(-1, 3)[: len(numbers)]
    positions = spacing * (grid + rng.uniform(-0.12, 0.12, (len(numbers), 3)))
    of_data = potential.cutoff * float(np.cbrt(len(numbers) * 4.0 / 3.0 * np.pi / potential.average_neighbors))
    cell = max(side * spacing, of_data) * (np.eye(3) + np.tril(rng.uniform(-0.1, 0.1, (3, 3))))
    atoms = Atoms(numbers, positions, cell=cell, pbc=True)
    graph = graph_from_atoms(atoms, potential.atomic_numbers, potential.cutoff)
    results = evaluate(model, graph)
    return SelfTest(
        numbers=numbers.tolist(),
        positions=positions.tolist(),
        cell=cell.tolist(),
        energy=results.energy.item(),
        forces=results.forces.tolist(),
        virial=results.virial[0].tolist(),
        members=_member_results(model, graph) if isinstance(model, Committee) else None,
    )


def _member_results(committee: Committee, graph: Graph) -> list[ReferenceResults]:
    results = evaluate_members(committee, graph)
    return [
        ReferenceResults(energy=energy.item(), forces=forces.tolist(), virial=virial[0].tolist())
        for energy, forces, virial in zip(results.energy, results.forces, results.virial, strict=True)
    ]


def self_test_deviation(results: Prediction, self_test: SelfTest) -> float:
    """Largest deviation of energy, forces and virial from the self-test, relative to their size; NaN if one is NaN."""
    return _deviation((results.energy[0], results.forces, results.virial[0]), self_test)


def members_deviation(results: MemberPredictions, expected: list[ReferenceResults]) -> float:
    """Largest deviation of the members of a committee, as `self_test_deviation`."""
    parts = zip(results.energy[:, 0], results.forces, results.virial[:, 0], strict=True)
    return float(np.max([_deviation(got, reference) for got, reference in zip(parts, expected, strict=True)]))


def _deviation(got: tuple[torch.Tensor, ...], reference: ReferenceResults) -> float:
    deviations = []
    for value, numbers in zip(got, (reference.energy, reference.forces, reference.virial), strict=True):
        expected = torch.tensor(numbers, dtype=torch.float64)
        deviations.append(((value.cpu() - expected).abs().max() / (1.0 + expected.abs().max())).item())
    return float(np.max(deviations))
