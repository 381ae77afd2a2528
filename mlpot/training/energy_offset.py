"""The error that all energies of the training set share, taken out of a trained potential.

Steps of the optimizer leave the energies of all structures a little too high or too low together, by 0.1 meV/atom or
so, which in a molecule is as much as all else. Energies are linear in the last weights of readouts; these move along
the mean descriptor of the training set, by one number, the least squares of the energies per atom. Isolated atoms stay
what they are, and forces change by a part in ten thousand of themselves.
"""

import torch

from mlpot.model import Potential
from mlpot.model.readout import last_weights
from mlpot.training.batching import plan_evaluation
from mlpot.training.samples import SampleSet

LARGEST = 1e-3
"""Part of the energies of interaction that is an offset; where it is more, all of the potential is still far off."""


@torch.no_grad()
def remove_energy_offset(
    potential: Potential, samples: SampleSet, batch_atoms: int, device: torch.device
) -> float | None:
    """Shift the last weights; nothing happens without labelled energies, or where the offset is above `LARGEST`.

    Parameters
    ----------
    potential : Potential
        Changed.
    samples : SampleSet
        What it was trained on.
    batch_atoms : int
        Largest number of atoms to evaluate at once.
    device : torch.device

    Returns
    -------
    float or None
        What was added to the energies, eV/atom, mean over the structures; None where nothing happened.
    """
    parameters = dict(potential.named_parameters())
    places = last_weights(potential.config)
    weights = torch.cat([parameters[name].flatten() for name in places])
    errors, descriptors = [], []
    for indices in plan_evaluation(samples.n_atoms, batch_atoms):
        batch = samples.batch(indices).to(device)
        graph, known = batch.graph, batch.has_energy > 0
        before, rows, _ = potential.describe(graph.species, graph.edge_index, graph.edge_vectors)
        atomic = before + potential.energy_scale * (rows @ weights).double()
        energies = torch.zeros_like(batch.energy).index_add(0, graph.batch, atomic)
        sums = torch.zeros(len(energies), rows.size(1), dtype=torch.float64, device=device)
        sums.index_add_(0, graph.batch, rows.double())
        errors.append(((batch.energy - energies) / batch.n_atoms)[known])
        descriptors.append((sums / batch.n_atoms.unsqueeze(1))[known])
    error, descriptor = torch.cat(errors), torch.cat(descriptors)
    if len(error) == 0:
        return None
    direction = descriptor.mean(0)
    gain = potential.energy_scale * descriptor @ direction
    binding = potential.energy_scale * descriptor @ weights.double()
    amount = torch.dot(gain, error) / torch.dot(gain, gain)
    if not (amount * gain).norm() <= LARGEST * binding.norm():  # nor where there are no neighbours at all
        return None
    change = amount * direction
    for name, place in places.items():
        parameters[name].add_(change[place].view_as(parameters[name]))
    return float((amount * gain).mean())
