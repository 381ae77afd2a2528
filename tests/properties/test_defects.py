"""Vacancies and surfaces against the same done by hand."""

import numpy as np
import pytest
from ase.build import bulk, fcc100, fcc111
from ase.calculators.emt import EMT
from ase.optimize import BFGS

import mlpot
from mlpot.errors import ConfigError
from mlpot.properties import relaxed_crystal, surface_energies, vacancy_energies


@pytest.fixture(scope="module")
def copper():
    crystal = relaxed_crystal(bulk("Cu"), EMT())
    return crystal.cell.lengths()[0], crystal.get_potential_energy() / len(crystal)


def relaxed_energy(atoms):
    atoms.calc = EMT()
    BFGS(atoms, logfile=None).run(fmax=1e-3, steps=200)
    return atoms.get_potential_energy()


def test_vacancy(copper):
    constant, energy = copper
    defect = bulk("Cu", a=constant, cubic=True).repeat(3)
    del defect[50]
    defect.calc = EMT()
    rigid = defect.get_potential_energy() - 107 * energy
    (vacancy,) = vacancy_energies(bulk("Cu"), EMT()).sites
    assert (vacancy.symbol, vacancy.n_atoms) == ("Cu", 107)
    assert vacancy.unrelaxed_energy == pytest.approx(rigid, abs=1e-5)
    assert vacancy.energy == pytest.approx(relaxed_energy(defect) - 107 * energy, abs=1e-4)
    assert vacancy.energy < vacancy.unrelaxed_energy


def test_vacancies_of_a_compound_need_a_reservoir():
    alloy = bulk("CuAu", "rocksalt", a=5.2)
    with pytest.raises(ConfigError, match=r"chemical_potentials.*Au, Cu"):
        vacancy_energies(alloy, EMT())
    result = vacancy_energies(alloy, EMT(), chemical_potentials={"Cu": 0.5, "Au": 0.25}, shortest=5.0)
    other = vacancy_energies(alloy, EMT(), chemical_potentials={"Cu": 0.0, "Au": 0.0}, shortest=5.0)
    shifts = {a.symbol: a.energy - b.energy for a, b in zip(result.sites, other.sites, strict=True)}
    assert shifts == pytest.approx({"Cu": 0.5, "Au": 0.25}, abs=1e-9)


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
