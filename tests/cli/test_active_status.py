"""`mlpot active status`."""

import pytest
from loops import recorded_loop
from typer.testing import CliRunner

from mlpot.cli.app import app


@pytest.fixture
def course(tmp_path):
    with recorded_loop(tmp_path) as store:
        yield store


def test_status_shows_the_course(course):
    result = CliRunner().invoke(app, ["active", "status", str(course.path)], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    for text in ("300", "180", "150", "2.00 ps", "50.0 %", "now: explore in iteration 2", "everything else 8.2 %"):
        assert text in result.output, text


def test_status_fits_into_eighty_columns(course):
    output = CliRunner().invoke(app, ["active", "status", str(course.path)], env={"COLUMNS": "80"}).output
    for name in ("settings", "failed", "restarts", "time left", "iteration", "explored", "below target"):
        assert name in output
    assert "…" not in output
