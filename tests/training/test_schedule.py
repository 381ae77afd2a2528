from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlpot.config import OptimizationConfig, ScheduleConfig
from mlpot.training.schedule import (
    Plan,
    Plateau,
    initial_plan,
    learning_rate,
    plan_from,
    plateau_from,
)


def rates(config, plan, plateau=None):
    return [learning_rate(config, plan, plateau or Plateau(), step) for step in range(plan.total_steps)]


def test_cosine_rises_then_falls_to_the_final_fraction():
    config = OptimizationConfig(steps=1000, lr=0.01, schedule=ScheduleConfig(warmup_steps=50, final_fraction=0.01))
    course = rates(config, initial_plan(config, 10))
    assert course[0] == pytest.approx(0.01 / 51, rel=1e-4)
    assert max(course) == pytest.approx(0.01, rel=0.01)
    assert course.index(max(course)) == 50
    assert all(a > b for a, b in pairwise(course[50:]))
    assert course[-1] == pytest.approx(1e-4, rel=0.05)
    assert course[500] == pytest.approx(0.5 * 0.01 * 1.01, rel=1e-9)


def test_short_runs_warm_up_for_a_tenth_at_most():
    config = OptimizationConfig(steps=50, schedule=ScheduleConfig(warmup_steps=100))
    course = rates(config, initial_plan(config, 10))
    assert course.index(max(course)) == 5


def test_length_by_epochs_and_by_steps():
    assert initial_plan(OptimizationConfig(epochs=7), 11).total_steps == 77
    assert initial_plan(OptimizationConfig(steps=5), 11).total_steps == 5
    assert initial_plan(OptimizationConfig(), 3).total_steps == 600


@settings(max_examples=20)
@given(st.lists(st.floats(0.5, 2.0), min_size=6, max_size=6))
def test_time_budget_ends_in_time_and_without_jumps(speeds):
    """A run whose seconds per step change at every mark, planned as the loop does it."""
    budget, per_step = 500.0, 0.5
    config = OptimizationConfig(time_budget=budget, lr=1.0, schedule=ScheduleConfig(warmup_steps=0))
    plan, elapsed, step, last = initial_plan(config, 10), 0.0, 0, None
    while step < plan.total_steps:
        rate = learning_rate(config, plan, Plateau(), step)
        assert last is None or abs(rate - last) < 0.02
        last = rate
        elapsed += per_step * speeds[min(plan.marks_passed, 5)]
        step += 1
        if plan.is_mark_due(step, elapsed, budget):
            plan.replan(step, elapsed, budget)
    assert 0.85 * budget < elapsed < 1.35 * budget
    assert last < 0.02


def test_steady_speed_meets_the_budget():
    plan, step, elapsed = initial_plan(OptimizationConfig(time_budget=100.0), 10), 0, 0.0
    while step < plan.total_steps:
        step, elapsed = step + 1, elapsed + 0.1
        if plan.is_mark_due(step, elapsed, 100.0):
            plan.replan(step, elapsed, 100.0)
    assert elapsed == pytest.approx(100.0, abs=0.2)


def test_replanning_keeps_the_progress():
    plan = Plan(total_steps=100, start_step=1, start_progress=0.01, marks_passed=1)
    plan.replan(40, 19.5, 100.0)  # 0.5 s a step: 161 more
    assert plan.progress(40) == pytest.approx(0.4)
    assert plan.total_steps == 201
    plan.replan(60, 59.5, 100.0)  # now 2 s a step: 20 more
    assert plan.progress(60) == pytest.approx(0.4 + 0.6 * 20 / 161)
    assert plan.total_steps == 80


def test_plateau_falls_after_patience_and_not_below_the_floor():
    config = ScheduleConfig(kind="plateau", patience=3, factor=0.1, final_fraction=0.05)
    plateau = Plateau()
    for loss in (2.0, 1.0, 1.5, 1.2):
        plateau.update(loss, config)
    assert plateau.factor == 1.0
    plateau.update(1.0, config)
    assert plateau.factor == pytest.approx(0.1)
    for _ in range(3):
        plateau.update(1.0, config)
    assert plateau.factor == pytest.approx(0.05)
    fit = OptimizationConfig(steps=1000, lr=0.01, schedule=config)
    assert learning_rate(fit, Plan(1000), plateau, 500) == pytest.approx(0.01 * 0.05)


def test_state_survives_a_checkpoint():
    plan, plateau = Plan(100, 10, 0.3, 7.5, 2), Plateau(0.25, 0.7, 3)
    assert plan_from(plan.to_dict()) == plan
    assert plateau_from(plateau.to_dict()) == plateau


def test_the_rate_warms_up_again_at_a_new_stage():
    config = OptimizationConfig(steps=1000, lr=0.01, schedule=ScheduleConfig(warmup_steps=50))
    plan = initial_plan(config, 10)
    usual = learning_rate(config, plan, Plateau(), 600)
    assert learning_rate(config, plan, Plateau(), 600, stage_step=600) == pytest.approx(usual / 51)
    assert learning_rate(config, plan, Plateau(), 650, stage_step=600) == learning_rate(config, plan, Plateau(), 650)
