"""Properties of crystals and clusters: one function and one result with units per file.

Data flow: any cell of a crystal, any ASE calculator -> relaxed crystal (`crystal`) -> a frozen dataclass with
its table (`rows`) and its plot (`plot`). `overview` computes all of them: `mlpot properties`.
"""

from mlpot.extras import needs

with needs("properties"):
    from mlpot.properties.crystal import relaxed_crystal, structure_from
    from mlpot.properties.elastic import ElasticConstants, elastic_constants
    from mlpot.properties.equation_of_state import EquationOfState, equation_of_state
    from mlpot.properties.phonons import Phonons, phonons
    from mlpot.properties.short_range import (
        CompressionScan,
        DimerScan,
        TrimerScan,
        compression_scan,
        dimer_scan,
        trimer_scan,
    )
from mlpot.properties.surface import SurfaceEnergies, surface_energies
from mlpot.properties.vacancy import Vacancies, vacancy_energies

__all__ = [
    "CompressionScan",
    "DimerScan",
    "ElasticConstants",
    "EquationOfState",
    "Phonons",
    "SurfaceEnergies",
    "TrimerScan",
    "Vacancies",
    "compression_scan",
    "dimer_scan",
    "elastic_constants",
    "equation_of_state",
    "phonons",
    "relaxed_crystal",
    "structure_from",
    "surface_energies",
    "trimer_scan",
    "vacancy_energies",
]
