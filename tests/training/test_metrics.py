import csv

import pytest

from mlpot.training.metrics import COLUMNS, MetricsLog

ROWS = [
    {"epoch": 0.0, "step": 0.0, "time": 0.5, "lr": 1e-4, "validation_loss": 2.0, "forces_rmse": 123.4567891},
    {"epoch": 1.0, "step": 9.0, "time": 1.5, "lr": 1e-3, "train_loss": 0.25, "forces_rmse": 50.0},
]


def read(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_rows_are_added_with_units_and_gaps(tmp_path):
    log = MetricsLog(tmp_path, ROWS[:1])
    log.add(ROWS[1])
    first, second = read(tmp_path / "metrics.csv")
    assert list(first) == list(COLUMNS.values())
    assert (first["epoch"], first["train_loss"], first["forces_rmse_meV_per_A"]) == ("0", "", "123.457")
    assert (second["step"], second["train_loss"], second["energy_rmse_meV_per_atom"]) == ("9", "0.25", "")


def test_rows_after_the_checkpoint_are_dropped(tmp_path):
    log = MetricsLog(tmp_path, [])
    for row in ROWS:
        log.add(row)
    MetricsLog(tmp_path, ROWS[:1])
    assert len(read(tmp_path / "metrics.csv")) == 1


def test_other_processes_write_nothing(tmp_path):
    log = MetricsLog(None, ROWS)
    log.add(ROWS[0])
    log.close()
    assert list(tmp_path.iterdir()) == []


def test_tensorboard_gets_every_number(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    log = MetricsLog(tmp_path, [], tensorboard=True)
    log.add(ROWS[1])
    log.close()
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    scalar = events.Scalars("forces_rmse_meV_per_A")[0]
    assert (scalar.step, scalar.value) == (9, 50.0)
