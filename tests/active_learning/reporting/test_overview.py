"""Rows of a loop: errors, and where the time went."""

import pytest
from loops import recorded_loop

from mlpot.active_learning.reporting.overview import iteration_rows, overhead


def test_rows_have_the_times_of_all_steps(tmp_path):
    with recorded_loop(tmp_path) as store:
        rows = iteration_rows(store)
    assert [row.iteration for row in rows] == [0, 1, 2]
    assert (rows[0].total, rows[0].overhead) == (161.0, 1.0 + 4.0 + 5.0)
    assert (rows[1].total, rows[1].overhead) == (58.0, 6.0 + 2.0)
    assert [(row.labelling, row.computing) for row in rows] == [(100.0, 96.0), (30.0, 30.0), (0.0, 0.0)]
    assert rows[1].picoseconds == 2.0
    assert rows[1].expected_fraction == pytest.approx((10 * 0.8 + 30 * 0.4) / 40)
    assert rows[1].failed == 1
    assert rows[2].n_train is None
    assert overhead(rows) == pytest.approx(18.0 / 219.0)
