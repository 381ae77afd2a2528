"""Walks, their push towards uncertainty, and what they start from."""

import numpy as np
import pytest
from ase.build import bulk
from emt_structures import emt_structures

from mlpot.active_learning.config import ExploreSettings, System
from mlpot.active_learning.exploration.bias import BiasedCalculator
from mlpot.active_learning.exploration.sanity import unphysical
from mlpot.active_learning.exploration.trajectory import Frame, Walk, largest_trusted, walk, weights
from mlpot.active_learning.initial import Start, first_structures, starts_of_walks


def copper(*times):
    return Start(bulk("Cu", a=3.8, cubic=True) * times, "bulk")


def done(judge, start=None, seed=0, target=1e3, **settings):
    chosen = ExploreSettings(**{"time": 0.1, "timestep": 2.0, "interval": 5, **settings})
    return walk(judge[0], start or copper(1, 1, 1), chosen, target, np.random.default_rng(seed))


def test_bars_hold_nine_of_ten_errors(judge):
    """Of the data that they were calibrated on."""
    inside, shares = [], []
    for one in judge[1]:
        if one.forces is not None:
            bars = judge[0].bars(one.atoms)
            errors = np.abs(judge[0].calculator.get_property("forces", one.atoms) - one.forces)
            inside += (errors <= bars[:, None]).ravel().tolist()
            shares += judge[0].expected_share(bars, 0.3).tolist()
    assert np.mean(inside) == pytest.approx(0.9, abs=0.02)
    assert judge[0].expected_share(np.array([0.3]), 0.3) == pytest.approx(0.9)
    assert 0.0 < np.mean(shares) < 0.99


def test_the_push_is_the_gradient_of_the_spread(judge):
    atoms = emt_structures(3)[1]
    committee = judge[0].calculator
    forces = committee.get_property("forces", atoms)
    atoms.calc = BiasedCalculator(committee, 0.3)
    push = atoms.get_forces() - forces
    assert np.abs(push).mean() == pytest.approx(0.3 * np.abs(forces).mean())

    def spread(moved):
        return float(committee.get_property("energy_members", moved).std(ddof=1))

    h, atom, axis, sides = 1e-3, 1, 0, []
    for sign in (1, -1):
        moved = atoms.copy()
        moved.positions[atom, axis] += sign * h
        sides.append(spread(moved))
    gradient = (sides[0] - sides[1]) / (2 * h)
    tau = (committee.get_property("energy", atoms) - atoms.get_potential_energy()) / spread(atoms)
    assert tau > 0
    assert push[atom, axis] == pytest.approx(tau * gradient, rel=1e-4)


def test_a_push_finds_larger_error_bars(judge):
    """On the average over three walks."""
    settings = {"target": 1e-6, "trust": 1e9, "temperature": [300, 300]}
    free, pushed = (
        np.mean(
            [
                frame.details["bar"]
                for seed in range(3)
                for frame in done(judge, copper(2, 1, 1), seed=seed, bias=bias, **settings).frames
            ]
        )
        for bias in (0.0, 0.5)
    )
    assert pushed > 1.1 * free


def test_a_quiet_walk_is_complete(judge):
    quiet = done(judge)
    assert (quiet.ended, quiet.frames, quiet.looks) == ("complete", [], 11)
    assert quiet.picoseconds == pytest.approx(0.1)
    assert quiet.control is not None
    assert quiet.expected_share > 0.98


def test_a_young_potential_is_measured_by_its_own_start(judge):
    """Far from the target everywhere, a walk still goes on, and ends where error bars grow."""
    target = 1e-6
    cold = done(judge, target=target, trust=4.0, temperature=[50, 50])
    assert cold.ended == "complete"
    hot = done(judge, target=target, trust=1.5, time=1.0, temperature=[300, 6000])
    assert hot.ended.startswith("untrusted")
    assert hot.picoseconds > 0.0


def test_trust_is_measured_by_the_target_or_the_usual_bar_of_the_start():
    bars = np.array([0.1, 0.2, 7.0])
    assert largest_trusted(bars, 1.5, 1e-6) == pytest.approx(0.3)
    assert largest_trusted(bars, 1.5, 1.0) == 1.5
    assert np.isnan(largest_trusted(np.array([0.1, np.nan]), 1.5, 1.0))


def test_the_same_generator_gives_the_same_walk(judge):
    first, second = (done(judge, seed=4, target=1e-6, trust=1e9, pressure=[0, 5]) for _ in range(2))
    assert len(first.frames) == 11
    for one, other in zip(first.frames, second.frames, strict=True):
        assert (one.atoms.positions == other.atoms.positions).all()
    assert (first.frames[0].atoms.cell != first.frames[-1].atoms.cell).any()


def test_temperature_rises_along_a_walk(judge):
    temperatures = [one.details["temperature"] for one in done(judge, target=1e-6, trust=1e9, frames=30).frames]
    assert temperatures == sorted(temperatures)
    assert (temperatures[0], temperatures[-1]) == (300.0, 1500.0)


def test_frames_are_thinned_evenly(judge):
    times = [one.details["time"] for one in done(judge, target=1e-6, trust=1e9, frames=4).frames]
    assert 2 <= len(times) <= 4
    assert max(times) > 0.05


def test_large_frames_are_cut(judge):
    found = done(judge, copper(3, 3, 3), target=1e-6, trust=1e9, max_atoms=60, interval=25)
    assert len(found.frames) == 3
    for frame in found.frames:
        assert len(frame.atoms) <= 60
        assert "of 108 atoms" in frame.details["cut"]
        bars = weights(judge[0], frame.atoms, np.array(frame.details["core"]))
        assert bars[frame.details["core"]].min() > 0.0
        assert np.count_nonzero(bars) == len(frame.details["core"])


def test_a_part_without_a_sane_boundary_is_left_out():
    """No box of whole lattice vectors holds the environment and is affordable; atoms would lie in their images."""
    atoms = bulk("Cu", a=3.6, cubic=True) * (6, 3, 3)
    atoms.rattle(0.02, seed=1)
    bars = np.zeros(len(atoms))
    bars[8] = 1.0
    found = Walk("bulk")
    assert found.cut(Frame(atoms, {}), bars, 64, 4.0) is None
    assert "come too close to each other's images" in found.left_out[0]
    assert "raise explore.max_atoms" in found.left_out[0]
    found.conclude([0.5])
    assert found.ended == f"failed: {found.left_out[0]}"
    part = found.cut(Frame(atoms, {}), bars, 108, 4.0)
    assert (len(part.atoms), unphysical(part.atoms)) == (108, None)


def test_systems_give_what_they_are_asked_for():
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
    made = list(first_structures(system, 0))
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
    starts = starts_of_walks([system], (1, 2, 2), 0)
    assert [start.kind for start in starts][:4] == ["bulk", "vacancy", "interstitial", "substitution"]
    assert len(starts[0].atoms) == 32
    assert len(starts[1].atoms) == 28
