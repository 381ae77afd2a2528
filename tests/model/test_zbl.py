"""The core repulsion has the right size, dominates at contact and hands over smoothly."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.data import covalent_radii

from mlpot.model import evaluate
from mlpot.model.zbl import SWITCHING_RADIUS, ZBLRepulsion
from mlpot.neighbors.matscipy import graph_from_atoms
from potentials import random_potential


def dimer_energy(distance, numbers=(14, 8)):
    graph = graph_from_atoms(Atoms(numbers, [[0, 0, 0], [distance, 0, 0]]), [8, 14], 5.0)
    return ZBLRepulsion([8, 14], 5.0)(graph.species, graph.edge_index, graph.edge_vectors, 2)[0]


def test_close_nuclei_repel_like_screened_charges():
    """Independent evaluation of the published formula, far inside the hand-over where the envelope is one."""
    r, z1, z2 = 0.05, 14, 8
    x = r * (z1**0.23 + z2**0.23) / (0.8854 * 0.529177211)
    screening = np.dot([0.18175, 0.50986, 0.28022, 0.028171], np.exp(-np.array([3.1998, 0.94229, 0.4029, 0.20162]) * x))
    assert dimer_energy(r).sum().item() == pytest.approx(14.399645 * z1 * z2 / r * screening, rel=1e-5)


def test_energy_is_shared_equally():
    first, second = dimer_energy(0.8)
    assert first.item() == second.item() > 0.0


def test_hand_over_is_smooth():
    reach = SWITCHING_RADIUS * (covalent_radii[14] + covalent_radii[8])
    distances = torch.linspace(reach - 2e-3, reach + 1e-3, 4, dtype=torch.float64)
    values = [dimer_energy(d.item()).sum().item() for d in distances]
    assert values[2:] == [0.0, 0.0] or abs(values[2]) < 1e-12
    # value, slope and curvature vanish, so what is left grows with the third power
    assert values[0] / values[1] == pytest.approx(8.0, rel=0.02)


@pytest.mark.parametrize("seed", range(5))
def test_untrained_potentials_never_attract_at_contact(seed):
    potential = random_potential(seed, n_layers=2)
    for distance in (0.2, 0.3, 0.4):
        graph = graph_from_atoms(
            Atoms("Si2", [[0, 0, 0], [distance, 0, 0]]), potential.atomic_numbers, potential.cutoff
        )
        assert evaluate(potential, graph).forces[1, 0] > 100.0
