"""Progress of a training on a terminal and in a file."""

import io

from rich.console import Console

from mlpot.cli.training_display import TrainingDisplay, describe_errors
from mlpot.training.observer import TrainingProgress

ROW = {"forces_rmse": 12.345, "time": 3.0, "train_loss": 0.5}


def at(step, is_over=False):
    return TrainingProgress(epoch=step // 10, step=step, epochs=2, fraction=step / 20, is_over=is_over)


def test_progress_bar_shows_time_left_loss_and_errors():
    stream = io.StringIO()
    with TrainingDisplay(Console(file=stream, force_terminal=True, width=160)) as display:
        display.validated(at(0), ROW)
        display.stepped(at(1), 0.25)
    text = stream.getvalue()
    for part in ("epoch 0/2", "left", "loss 0.25", "12.3 meV/A"):
        assert part in text


def test_the_bar_of_pseudo_labels_ends_with_the_last_structure():
    stream = io.StringIO()
    with TrainingDisplay(Console(file=stream, force_terminal=True, width=160)) as display:
        display.labelled(1, 2)
        display.labelled(2, 2)
        shown = stream.getvalue()
        assert "teachers label structures" in shown
        display.stepped(at(1), 0.25)
    assert "teachers" not in stream.getvalue()[len(shown) :]


def test_a_file_gets_a_line_now_and_then_and_one_at_the_end():
    stream = io.StringIO()
    with TrainingDisplay(Console(file=stream)) as display:
        for step in range(3):
            display.stepped(at(step), 0.5)
            display.validated(at(step), ROW)
        display.validated(at(20, is_over=True), ROW)
    lines = stream.getvalue().splitlines()
    assert [line.split(",")[0] for line in lines] == ["epoch 0/2", "epoch 2/2"]


def test_errors_are_printed_with_units():
    assert describe_errors({}) == ""
    assert describe_errors(ROW) == "validation rmse forces 12.3 meV/A"
