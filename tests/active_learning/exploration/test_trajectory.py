"""Exploration trajectories in ASE."""

import numpy as np
import pytest
from ase.build import bulk

from mlpot.active_learning.config import ExploreSettings
from mlpot.active_learning.exploration.trajectory import Frame, Trajectory, run_trajectory, uncertainty_limit
from mlpot.active_learning.initial.structures import InitialState
from mlpot.active_learning.selection.sanity import unphysical
from mlpot.active_learning.store.trajectories import Ending

UNLIMITED = {"target": 1e-6, "max_uncertainty_factor": 1e9}
"""Every frame is a candidate, and none ends a trajectory."""


def copper(*times):
    return InitialState(bulk("Cu", a=3.8, cubic=True) * times, "bulk")


def explored(model, state=None, seed=0, target=1e3, **settings):
    chosen = ExploreSettings(**{"time": 0.1, "timestep": 2.0, "interval": 5, **settings})
    return run_trajectory(model, state or copper(1, 1, 1), chosen, target, np.random.default_rng(seed))


def test_a_trajectory_without_uncertain_frames_is_complete(model):
    found = explored(model)
    assert (found.ending.kind, found.frames, found.n_checks) == ("complete", [], 11)
    assert found.picoseconds == pytest.approx(0.1)
    assert found.random_frame is not None
    assert found.expected_fraction > 0.98


def test_an_inaccurate_potential_still_explores(model):
    """Far from the target everywhere, a trajectory ends only where the uncertainty grows."""
    target = 1e-6
    cold = explored(model, target=target, max_uncertainty_factor=4.0, temperature=[50, 50])
    assert cold.ending.kind == "complete"
    hot = explored(model, target=target, max_uncertainty_factor=1.5, time=1.0, temperature=[300, 6000])
    assert hot.ending.kind == "uncertain"
    assert "eV/A after" in hot.ending.reason
    assert hot.picoseconds > 0.0


def test_the_limit_is_a_multiple_of_the_target_or_of_the_median_of_the_first_frame():
    intervals = np.array([0.1, 0.2, 7.0])
    assert uncertainty_limit(intervals, 1.5, 1e-6) == pytest.approx(0.3)
    assert uncertainty_limit(intervals, 1.5, 1.0) == 1.5
    assert np.isnan(uncertainty_limit(np.array([0.1, np.nan]), 1.5, 1.0))


def test_the_same_generator_gives_the_same_trajectory(model):
    first, second = (explored(model, seed=4, **UNLIMITED, pressure=[0, 5]) for _ in range(2))
    assert len(first.frames) == 11
    for one, other in zip(first.frames, second.frames, strict=True):
        assert (one.atoms.positions == other.atoms.positions).all()
    assert (first.frames[0].atoms.cell != first.frames[-1].atoms.cell).any()


def test_temperature_rises_along_a_trajectory(model):
    temperatures = [one.details["temperature"] for one in explored(model, **UNLIMITED, frames=30).frames]
    assert temperatures == sorted(temperatures)
    assert (temperatures[0], temperatures[-1]) == (300.0, 1500.0)


def test_frames_are_thinned_evenly(model):
    times = [one.details["time"] for one in explored(model, **UNLIMITED, frames=4).frames]
    assert 2 <= len(times) <= 4
    assert max(times) > 0.05


def test_large_frames_are_cut(model):
    found = explored(model, copper(3, 3, 3), **UNLIMITED, max_atoms=60, interval=25)
    assert len(found.frames) == 3
    for frame in found.frames:
        assert len(frame.atoms) <= 60
        assert "of 108 atoms" in frame.details["cut"]
        intervals = model.force_intervals(frame.atoms, np.array(frame.details["core"]))
        assert intervals[frame.details["core"]].min() > 0.0
        assert np.count_nonzero(intervals) == len(frame.details["core"])


def test_a_part_with_an_unphysical_boundary_is_left_out():
    """No box of whole lattice vectors is small enough: atoms would overlap with their images."""
    atoms = bulk("Cu", a=3.6, cubic=True) * (6, 3, 3)
    atoms.rattle(0.02, seed=1)
    intervals = np.zeros(len(atoms))
    intervals[8] = 1.0
    found = Trajectory("bulk")
    assert found.cut(Frame(atoms, {}), intervals, 64, 4.0) is None
    assert "come too close to each other's images" in found.left_out[0]
    assert "raise explore.max_atoms" in found.left_out[0]
    found.finish([0.5])
    assert found.ending == Ending("failed", found.left_out[0])
    part = found.cut(Frame(atoms, {}), intervals, 108, 4.0)
    assert (len(part.atoms), unphysical(part.atoms)) == (108, None)
