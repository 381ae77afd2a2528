"""The examples in docstrings run, and their output is as shown."""

import doctest
import importlib
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "mlpot"
MODULES = [
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted(PACKAGE.rglob("*.py"))
    if ">>> " in path.read_text()
]
RUNS_LAMMPS = "mlpot.lammps.launcher"
FIRST = {
    "mlpot.calculator": ["load", "MLPotCalculator"],
    "mlpot.data": ["read_structures"],
    "mlpot.evaluation": ["evaluate_structures"],
    "mlpot.lammps": ["run"],
    "mlpot.model_file.bundle": ["ModelBundle"],
    "mlpot.model_file.registry": ["find_potential", "known_potentials"],
    "mlpot.properties": [
        "compression_scan",
        "dimer_scan",
        "elastic_constants",
        "equation_of_state",
        "phonons",
        "surface_energies",
        "trimer_scan",
        "vacancy_energies",
    ],
    "mlpot.simulation": ["relax", "run_md"],
    "mlpot.simulation.guard": ["Guard"],
    "mlpot.training": ["train"],
}
"""Functions and classes that a user meets first."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.lammps if name == RUNS_LAMMPS else ()) for name in MODULES]
)
def test_examples_of_a_module(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize(("module", "name"), [(module, name) for module, names in FIRST.items() for name in names])
def test_functions_that_users_meet_first_have_examples(module, name):
    assert ">>> " in getattr(importlib.import_module(module), name).__doc__
