"""Reasons to stop before the end: a signal, or the time that the process was given.

A request only sets a flag; the loop looks at it after each step, writes a checkpoint and leaves. Handlers are put
back afterwards.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class StopRequest:
    """Whether the run should stop, and why.

    Parameters
    ----------
    max_time : float, s, optional
        Longest time from now.
    """

    def __init__(self, max_time: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._deadline = None if max_time is None else clock() + max_time
        self._signal: str | None = None

    def reason(self) -> str | None:
        """Return why to stop, or None to go on."""
        if self._signal is not None:
            return f"signal {self._signal}"
        if self._deadline is not None and self._clock() >= self._deadline:
            return "out of time (--max-time)"
        return None

    def remaining(self) -> float | None:
        """Return the time that is left, s, at least a moment; None without a limit."""
        return None if self._deadline is None else max(1e-3, self._deadline - self._clock())

    def note(self, number: int, _frame: FrameType | None) -> None:
        """Remember a signal; a second one interrupts at once."""
        if self._signal is not None:
            raise KeyboardInterrupt
        self._signal = signal.Signals(number).name


@contextmanager
def signals_noted(request: StopRequest) -> Iterator[None]:
    """Let SIGINT and SIGTERM set `request` while the block runs; only the main thread can receive them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {number: signal.signal(number, request.note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
