"""Forces and virials from one gradient of the energy, with respect to the edge vectors.

With ``g_ij = dE/dr_ij`` and ``r_ij = r_j - r_i + S @ cell``:

    F_i = sum_j (g_ij - g_ji),    W = -sum_ij r_ij (x) g_ij

The formulas need no strained cell and no case for a missing one; per-atom virials follow from the same ``g_ij``.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from mlpot.model.graph import Graph


class Prediction(NamedTuple):
    """Energies and their derivatives, all float64.

    Attributes
    ----------
    energy : (n_structures,), eV
    atomic_energies : (n_atoms,), eV
    forces : (n_atoms, 3), eV/A
    virial : (n_structures, 3, 3), eV
        ``-dE/d(strain)``; the stress is ``-virial / volume``.
    atomic_virials : (n_atoms, 3, 3), eV, or None
        Half of ``-r_ij (x) g_ij`` of each edge belongs to i, half to j; they sum to `virial`.
    """

    energy: Tensor
    atomic_energies: Tensor
    forces: Tensor
    virial: Tensor
    atomic_virials: Tensor | None


def evaluate(potential: nn.Module, graph: Graph, *, training: bool = False, atomic_virials: bool = False) -> Prediction:
    """Evaluate a potential, eager or scripted, and its derivatives.

    Parameters
    ----------
    potential : nn.Module
        ``(species, edge_index, edge_vectors) -> atomic_energies``.
    graph : Graph
    training : bool
        Keep the autograd graph, so that a loss on forces and virials can be differentiated.
    atomic_virials : bool
        Also compute the virials of the atoms.
    """
    with torch.enable_grad():
        edge_vectors = graph.edge_vectors.detach().requires_grad_(True)
        atomic_energies = potential(graph.species, graph.edge_index, edge_vectors)
        gradient = torch.autograd.grad(
            atomic_energies.sum(), edge_vectors, create_graph=training, allow_unused=True, materialize_grads=True
        )[0]
    if not training:
        atomic_energies = atomic_energies.detach()
    return assemble(graph, atomic_energies, gradient, atomic_virials)


def assemble(graph: Graph, atomic_energies: Tensor, gradient: Tensor, atomic_virials: bool) -> Prediction:
    """Energies, forces and virials from the gradient.

    Parameters
    ----------
    graph : Graph
    atomic_energies : (n_atoms,), eV
    gradient : (n_edges, 3), eV/A
        ``dE/dr_ij`` of the sum of the energies.
    atomic_virials : bool
        Also compute the virials of the atoms.
    """
    center, neighbor = graph.edge_index[0], graph.edge_index[1]
    forces = torch.zeros(len(graph.species), 3, dtype=gradient.dtype, device=gradient.device)
    forces = forces.index_add(0, center, gradient).index_add(0, neighbor, -gradient)
    edge_virials = -graph.edge_vectors.unsqueeze(2) * gradient.unsqueeze(1)
    empty = torch.zeros(graph.n_structures, dtype=gradient.dtype, device=gradient.device)
    energy = empty.index_add(0, graph.batch, atomic_energies)
    virial = empty.view(-1, 1, 1).repeat(1, 3, 3).index_add(0, graph.batch[center], edge_virials)
    per_atom = None
    if atomic_virials:
        per_atom = torch.zeros(len(graph.species), 3, 3, dtype=gradient.dtype, device=gradient.device)
        per_atom = per_atom.index_add(0, center, 0.5 * edge_virials).index_add(0, neighbor, 0.5 * edge_virials)
    return Prediction(energy, atomic_energies, forces, virial, per_atom)


class MemberPredictions(NamedTuple):
    """Energies and their derivatives of each member of a committee, all float64.

    Attributes
    ----------
    energy : (n_members, n_structures), eV
    atomic_energies : (n_members, n_atoms), eV
    forces : (n_members, n_atoms, 3), eV/A
    virial : (n_members, n_structures, 3, 3), eV
    """

    energy: Tensor
    atomic_energies: Tensor
    forces: Tensor
    virial: Tensor


def evaluate_members(committee: nn.Module, graph: Graph) -> MemberPredictions:
    """Evaluate each member of a committee, eager or scripted, and its derivatives: one gradient for each.

    Parameters
    ----------
    committee : nn.Module
        With ``member_energies(species, edge_index, edge_vectors) -> (n_members, n_atoms)``.
    graph : Graph
    """
    with torch.enable_grad():
        edge_vectors = graph.edge_vectors.detach().requires_grad_(True)
        energies: Tensor = committee.member_energies(graph.species, graph.edge_index, edge_vectors)  # type: ignore[operator]
        totals = energies.sum(1)
        gradients = [
            torch.autograd.grad(total, edge_vectors, retain_graph=True, allow_unused=True, materialize_grads=True)[0]
            for total in totals
        ]
    members = [
        assemble(graph, own, gradient, atomic_virials=False)
        for own, gradient in zip(energies.detach(), gradients, strict=True)
    ]
    return MemberPredictions(
        torch.stack([member.energy for member in members]),
        energies.detach(),
        torch.stack([member.forces for member in members]),
        torch.stack([member.virial for member in members]),
    )
