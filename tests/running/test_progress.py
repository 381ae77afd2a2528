import io

from rich.console import Console

from mlpot.running.progress import progress_bar


def _shown(terminal):
    console = Console(file=io.StringIO(), force_terminal=terminal, width=120)
    with progress_bar(console, "evaluate", total=4) as update:
        update(completed=2, status="loss 0.1")
        update(advance=1, description="test")
    return console.file.getvalue()


def test_a_terminal_shows_description_share_and_status():
    text = _shown(terminal=True)
    assert "75%" in text
    assert "test" in text
    assert "loss 0.1" in text


def test_nothing_is_shown_elsewhere():
    assert _shown(terminal=False) == ""


def test_no_console_is_needed():
    with progress_bar(None) as update:
        update(advance=1)
