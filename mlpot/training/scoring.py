"""Labels beside predictions, for parity plots."""

from dataclasses import dataclass

import torch
from torch import Tensor

from mlpot.model import Potential
from mlpot.training.batching import plan_evaluation
from mlpot.training.native import Derivatives
from mlpot.training.samples import SampleSet


@dataclass(frozen=True)
class LabelPairs:
    """Label (first column) and prediction (second) of every labelled quantity, float64.

    Attributes
    ----------
    energy : (n, 2), eV per atom
        Without the reference energies.
    forces : (n, 2), eV/A
        Components.
    stress : (n, 2), eV/A^3
        Components.
    """

    energy: Tensor
    forces: Tensor
    stress: Tensor


def predict_labels(
    evaluate: Derivatives,
    potential: Potential,
    samples: SampleSet,
    reference_energies: Tensor,
    batch_atoms: int,
    device: torch.device,
) -> LabelPairs:
    """Predict every label of a data set.

    Parameters
    ----------
    evaluate : Derivatives
    potential : Potential
    samples : SampleSet
    reference_energies : (n_species,), float64, eV
        Subtracted from the energies of both columns.
    batch_atoms : int
        Largest number of atoms to evaluate at once.
    device : torch.device
    """
    columns: tuple[list[Tensor], list[Tensor], list[Tensor]] = ([], [], [])
    for indices in plan_evaluation(samples.n_atoms, batch_atoms):
        batch = samples.batch(indices).to(device)
        graph = batch.graph
        prediction = evaluate(potential, graph)
        offset = torch.zeros_like(batch.energy).index_add(0, graph.batch, reference_energies.to(device)[graph.species])
        per_atom = [(energy - offset) / batch.n_atoms for energy in (batch.energy, prediction.energy)]
        stresses = [-virial / batch.volume[:, None, None] for virial in (batch.virial, prediction.virial)]
        columns[0].append(torch.stack(per_atom, 1)[batch.has_energy > 0])
        labelled = batch.has_forces[graph.batch] > 0
        columns[1].append(torch.stack([batch.forces, prediction.forces], 2)[labelled].reshape(-1, 2))
        columns[2].append(torch.stack(stresses, 3)[batch.has_virial > 0].reshape(-1, 2))
    return LabelPairs(*(torch.cat(column).cpu() for column in columns))
