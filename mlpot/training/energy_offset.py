"""Removal of the mean error of the energies of the training set from a trained potential.

Steps of the optimizer leave the energies of all structures too high or too low together, by about 0.1 meV/atom; in a
molecule this is as large as all other errors of the energy. Energies are linear in the last weights of readouts; these
are shifted along the mean descriptor of the training set, by the amount of least squares of the energies per atom. The
energies of isolated atoms do not change, and forces change by about 1e-4 of their size.
"""

import torch

from mlpot.model import Potential
from mlpot.model.readout import last_weights
from mlpot.training.batching import plan_evaluation
from mlpot.training.samples import SampleSet

LARGEST = 1e-3
"""Largest offset relative to the energies of interaction; a larger one shows a potential that is not converged."""


@torch.no_grad()
def remove_energy_offset(
    potential: Potential, samples: SampleSet, batch_atoms: int, device: torch.device
) -> float | None:
    """Shift the last weights, unless no energies are labelled or the offset is above `LARGEST`.

    Parameters
    ----------
    potential : Potential
        Changed.
    samples : SampleSet
        The training set.
    batch_atoms : int
        Largest number of atoms to evaluate at once.
    device : torch.device

    Returns
    -------
    float or None
        Added to the energies, eV/atom, mean over the structures; None without a shift.
    """
    parameters = dict(potential.named_parameters())
    places = last_weights(potential.config)
    weights = torch.cat([parameters[name].flatten() for name in places])
    errors, descriptors = [], []
    for indices in plan_evaluation(samples.n_atoms, batch_atoms):
        batch = samples.batch(indices).to(device)
        graph, labelled = batch.graph, batch.has_energy > 0
        before, rows, _ = potential.describe(graph.species, graph.edge_index, graph.edge_vectors)
        atomic = before + potential.energy_scale * (rows @ weights).double()
        energies = torch.zeros_like(batch.energy).index_add(0, graph.batch, atomic)
        sums = torch.zeros(len(energies), rows.size(1), dtype=torch.float64, device=device)
        sums.index_add_(0, graph.batch, rows.double())
        errors.append(((batch.energy - energies) / batch.n_atoms)[labelled])
        descriptors.append((sums / batch.n_atoms.unsqueeze(1))[labelled])
    error, descriptor = torch.cat(errors), torch.cat(descriptors)
    if len(error) == 0:
        return None
    direction = descriptor.mean(0)
    gain = potential.energy_scale * descriptor @ direction
    binding = potential.energy_scale * descriptor @ weights.double()
    amount = torch.dot(gain, error) / torch.dot(gain, gain)
    if not (amount * gain).norm() <= LARGEST * binding.norm():  # the right side is zero without neighbors
        return None
    change = amount * direction
    for name, place in places.items():
        parameters[name].add_(change[place].view_as(parameters[name]))
    return float((amount * gain).mean())
