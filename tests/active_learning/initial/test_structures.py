"""Structures made of the systems of a loop, and initial states of trajectories."""

import pytest
from ase.calculators.calculator import kptdensity2monkhorstpack

from mlpot.active_learning.config import ExploreSettings, System
from mlpot.active_learning.initial.structures import base_cell, draw_held_out, initial_states, initial_structures
from mlpot.properties.crystal import primitive_cell


def test_systems_give_the_requested_structures():
    system = System(
        structure="Cu:fcc:3.6",
        repeat=(2, 1, 1),
        rattle=[0.05],
        rattles=2,
        strains=3,
        vacancies=True,
        interstitials=1,
        slabs=1,
        substitutions=[{"old": "Cu", "new": "Au", "fractions": [0.5]}],
    )
    made = list(initial_structures(system, 0))
    kinds = [origin["kind"] for _, origin in made]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        "rattle": 2,
        "strain": 3,
        "vacancy": 1,
        "interstitial": 1,
        "substitution": 1,
        "slab": 3,
    }
    assert {len(atoms) for atoms, origin in made if origin["kind"] in ("rattle", "strain")} == {8}
    states = initial_states([system], (1, 2, 2), 0)
    assert [state.kind for state in states][:4] == ["bulk", "vacancy", "interstitial", "substitution"]
    assert len(states[0].atoms) == 32
    assert len(states[1].atoms) == 28


def test_random_packings_have_their_own_temperature():
    system = System(structure="Cu:fcc:3.6", repeat=(2, 2, 2), random_packings=2)
    states = initial_states([system], (1, 1, 1), seed=0)
    assert [state.kind for state in states] == ["bulk", "random_packing", "random_packing"]
    settings = ExploreSettings(temperature=[300, 900], random_packing_temperature=[1500, 3000])
    temperatures = [settings.from_start(state.kind).temperature for state in states]
    assert temperatures == [(300, 900), (1500, 3000), (1500, 3000)]
    assert ExploreSettings(temperature=[300, 900]).from_start("random_packing").temperature == (300, 900)


def test_cells_of_a_prototype_are_conventional_or_primitive():
    """Supercells of the primitive cell share k-points: 3 x 3 x 3 in (2, 2, 2) are 6 x 6 x 6 in it."""
    conventional = base_cell(System(structure="Si:diamond:5.43", repeat=(2, 1, 1)))
    primitive = base_cell(System(structure="Si:diamond:5.43", primitive=True, repeat=(2, 2, 2)))
    assert (len(conventional), len(primitive)) == (16, 16)
    assert conventional.cell.angles() == pytest.approx([90.0] * 3)
    assert primitive.cell.angles() == pytest.approx([60.0] * 3)
    assert [*kptdensity2monkhorstpack(primitive, 2.7, even=False)] == [3, 3, 3]
    assert [*kptdensity2monkhorstpack(primitive_cell(primitive), 2.7, even=False)] == [6, 6, 6]


def test_held_out_structures_leave_every_element_to_training():
    copper = {f"{index:02d}": {"Cu"} for index in range(10)}
    assert draw_held_out(copper, 0.2) == {"00", "01"}
    assert draw_held_out(copper | {"00": {"Ag", "Cu"}}, 0.2) == {"01", "02"}
    assert draw_held_out(copper | {"00": {"Ag", "Cu"}, "09": {"Ag"}}, 0.2) == {"00", "01"}
    assert draw_held_out({"00": {"Ag"}, "01": {"Cu"}}, 0.5) == set()
