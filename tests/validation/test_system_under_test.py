"""Structures are relaxed before they are checked, and those that change too much are reported."""

from ase.calculators.emt import EMT

from mlpot.validation.system_under_test import prepare


def test_a_structure_that_does_not_hold():
    system = prepare("Cu:fcc:2.8", EMT())
    assert system.problem == "the volume of Cu:fcc:2.8 changes to 2.11 of the given one when it is relaxed"
    assert prepare("Cu:fcc:3.5", EMT()).problem == ""
