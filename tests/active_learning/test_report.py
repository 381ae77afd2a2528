"""Status and report of loops, read from what a loop leaves in its store."""

import pytest
from loops import loop_config
from matplotlib.image import imread
from typer.testing import CliRunner

from mlpot.active_learning.reporting import report
from mlpot.active_learning.reporting.overview import iteration_rows, overhead
from mlpot.active_learning.store.history import SelectionRecord
from mlpot.active_learning.store.store import Store
from mlpot.cli.app import app
from mlpot.plotting import new_figure


def errors(rmse):
    found = {"sigma": [0.1, 0.2] * 20, "error": [0.05, 0.3] * 20, "coverage": 0.9, "n_structures": 2}
    return {"forces_rmse": rmse, "share_below_target": 0.5, **found}


def step(store, iteration, name, seconds, result):
    store.progress.begin(iteration, name)
    if seconds is not None:
        store.progress.finish(iteration, name, seconds, result)


def label_step(store, iteration, ended, seconds, set_aside, calculations):
    """A step that took some time, and its calculations: when each ended, how long it took."""
    step(store, iteration, "label", seconds, {"set_aside": set_aside})
    database = store.database
    database.write("UPDATE steps SET ended = ? WHERE name = 'label' AND iteration = ?", (ended, iteration))
    job = database.row("SELECT id FROM jobs")["id"]
    session = store.jobs.begin_session()
    for end, length in calculations:
        number = database.number("SELECT count(*) FROM attempts")
        values = (job, number, session, end - length, end, length)
        database.write("INSERT INTO attempts VALUES (?, ?, ?, ?, ?, ?, 'done', NULL)", values)


@pytest.fixture
def course(tmp_path):
    """A store with two iterations, the second one not over."""
    config = loop_config(tmp_path)
    with Store(config.store, create=True) as store:
        structure = store.add_structure(next(iter(_copper())), {"kind": "walk", "start": "bulk"})
        details = {"part": "train", "kind": "chosen", "temperature": 800.0, "bar": 0.4}
        store.history.select(SelectionRecord(structure, 1, True, "uncertain", details, None))
        step(store, 0, "select", 1.0, {})
        store.jobs.add(structure, store.add_settings(config.label.identity()))
        label_step(store, 0, 1000.0, 100.0, 0, [(950.0, 50.0), (970.0, 60.0), (996.0, 46.0)])  # side by side
        step(store, 0, "learn", 60.0, {"training_seconds": 55.0, "n_train": 9, "fixed": errors(0.2)})
        walk = {"frames": [], "ended": "complete", "picoseconds": 1.5, "looks": 10, "expected_share": 0.8}
        step(store, 1, "explore/0", 4.0, walk)
        step(store, 1, "explore/1", 2.0, walk | {"looks": 30, "expected_share": 0.4, "picoseconds": 0.5})
        step(store, 1, "select", 2.0, {})
        label_step(store, 1, 2000.0, 20.0, 1, [(1500.0, 10.0), (2000.0, 20.0)])  # one before it was started again
        learned = {"fixed": 0.15, "chosen_before": 0.3, "control_before": 0.18, "chosen_after": 0.1}
        result = {name: errors(rmse) for name, rmse in learned.items()}
        step(store, 1, "learn", 20.0, {"training_seconds": 20.0, "n_train": 13, **result})
        step(store, 2, "explore/0", None, {})
        yield store


def _copper():
    from labelling import shaken_copper  # noqa: PLC0415

    return shaken_copper(1)


def test_rows_say_where_the_time_went(course):
    rows = iteration_rows(course)
    assert [row.iteration for row in rows] == [0, 1, 2]
    assert (rows[0].total, rows[0].overhead) == (161.0, 1.0 + 4.0 + 5.0)
    assert (rows[1].total, rows[1].overhead) == (58.0, 6.0 + 2.0)
    assert [(row.labelling, row.computing) for row in rows] == [(100.0, 96.0), (30.0, 30.0), (0.0, 0.0)]
    assert rows[1].picoseconds == 2.0
    assert rows[1].expected_share == pytest.approx((10 * 0.8 + 30 * 0.4) / 40)
    assert rows[1].set_aside == 1
    assert rows[2].n_train is None
    assert overhead(rows) == pytest.approx(18.0 / 219.0)


def test_status_shows_the_course(course):
    result = CliRunner().invoke(app, ["active", "status", str(course.path)], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    for words in ("300", "180", "150", "2.00 ps", "50.0 %", "now: explore/0 of iteration 2", "all else 8.2 %"):
        assert words in result.output, words


def test_status_fits_into_eighty_columns(course):
    output = CliRunner().invoke(app, ["active", "status", str(course.path)], env={"COLUMNS": "80"}).output
    for name in ("settings", "set aside", "time left", "iteration", "validation", "below target"):
        assert name in output
    assert "…" not in output


def test_report_is_a_picture(course, tmp_path):
    target = tmp_path / "report.png"
    result = CliRunner().invoke(app, ["active", "report", str(course.path), "--output", str(target)])
    assert result.exit_code == 0, result.output
    picture = imread(target)
    assert picture.shape[0] > 700
    assert picture[..., :3].std() > 0.05


def test_errors_of_before_stand_at_the_labels_of_before(course, tmp_path, monkeypatch):
    figure = new_figure(13.0, 7.6)
    monkeypatch.setattr(report, "new_figure", lambda *_: figure)
    report.draw_report(course, tmp_path / "report.png")
    labels = {line.get_label(): list(line.get_xdata()) for line in figure.axes[0].lines}
    assert labels == {
        "validation set": [9, 13],
        "new control frames, before": [9],
        "chosen frames, before": [9],
    }


def test_a_report_needs_a_potential(store):
    result = CliRunner().invoke(app, ["active", "report", str(store.path)])
    assert result.exit_code == 1
    assert "no potential yet" in result.output
