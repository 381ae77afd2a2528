"""Vacancies against the same done by hand."""

import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from emt_energies import relaxed_energy

from mlpot.errors import ConfigError
from mlpot.properties import vacancy_energies


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
