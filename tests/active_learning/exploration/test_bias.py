"""The bias towards a larger uncertainty: a gradient, effective, and with one evaluation a step."""

import numpy as np
import pytest
from ase.build import bulk
from emt_structures import emt_structures

from mlpot.active_learning.config import ExploreSettings
from mlpot.active_learning.exploration.bias import BiasedCalculator
from mlpot.active_learning.exploration.trajectory import run_trajectory
from mlpot.active_learning.initial.structures import InitialState
from mlpot.calculator import MLPotCalculator


def test_the_bias_is_the_gradient_of_the_spread(model):
    atoms = emt_structures(3)[1]
    committee = model.calculator
    forces = committee.get_property("forces", atoms)
    atoms.calc = BiasedCalculator(committee, 0.3)
    bias = atoms.get_forces() - forces
    assert np.abs(bias).mean() == pytest.approx(0.3 * np.abs(forces).mean())

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
    assert bias[atom, axis] == pytest.approx(tau * gradient, rel=1e-4)


class Counting(MLPotCalculator):
    """Counts its evaluations."""

    count = 0

    def calculate(self, *arguments):
        self.count += 1
        super().calculate(*arguments)


def test_a_step_takes_one_evaluation(model):
    atoms, committee = emt_structures(3)[1], Counting(model.path, threads=1)
    atoms.calc = BiasedCalculator(committee, 0.3)
    for step in range(3):
        atoms.rattle(0.01, seed=step)
        atoms.get_forces()
        atoms.get_potential_energy()
    assert committee.count == 3


def test_the_bias_leads_to_a_larger_uncertainty(model):
    """On average over three trajectories."""
    state = InitialState(bulk("Cu", a=3.8, cubic=True) * (2, 1, 1), "bulk")
    values = {"time": 0.1, "timestep": 2.0, "interval": 5, "max_uncertainty_factor": 1e9, "temperature": 300}
    free, biased = (
        np.mean(
            [
                frame.details["force_interval"]
                for seed in range(3)
                for frame in run_trajectory(
                    model, state, ExploreSettings(**values, bias=bias), 1e-6, np.random.default_rng(seed)
                ).frames
            ]
        )
        for bias in (0.0, 0.5)
    )
    assert biased > 1.1 * free
