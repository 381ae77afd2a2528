"""Surfaces against the same done by hand."""

import numpy as np
import pytest
from ase.build import bulk, fcc100, fcc111
from ase.calculators.emt import EMT
from emt_energies import relaxed_energy

import mlpot
from mlpot.properties import surface_energies


def test_surfaces(copper):
    constant, energy = copper
    facets = {facet.miller: facet for facet in surface_energies(bulk("Cu"), EMT()).facets}
    assert set(facets) == {(1, 1, 1), (1, 0, 0), (1, 1, 0)}
    for build, miller in ((fcc111, (1, 1, 1)), (fcc100, (1, 0, 0))):
        slab = build("Cu", (1, 1, 9), a=constant, vacuum=8.0, periodic=True)
        area = np.linalg.norm(np.cross(slab.cell[0], slab.cell[1]))
        expected = (relaxed_energy(slab) - len(slab) * energy) / (2 * area) * 16.021766
        assert facets[miller].energy == pytest.approx(expected, rel=2e-3)
        assert facets[miller].energy <= facets[miller].unrelaxed_energy


def test_the_lowest_termination_counts():
    facets = {facet.miller: facet for facet in surface_energies(bulk("Si"), mlpot.load("Si-dft/fast")).facets}
    assert facets[1, 1, 1].terminations == 2  # one broken bond for each surface atom, or three
    assert facets[1, 1, 1].energy < 1.6  # three: above 2 J/m^2
    assert facets[1, 1, 1].energy < facets[1, 0, 0].energy
