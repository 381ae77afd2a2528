"""Reasons to stop a long command before its end: a signal, or a time limit.

A request only sets a flag. The loop checks it after each step, writes a checkpoint and returns.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

UNFINISHED_STATUS = 75
"""Exit status of a command that stopped before its end, neither success nor failure: EX_TEMPFAIL, "try again later"."""


class StopRequest:
    """Whether a loop should stop, and why.

    Parameters
    ----------
    max_time : float, s, optional
        Time limit, from now.
    clock : callable
        Time in seconds.
    """

    def __init__(self, max_time: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._deadline = None if max_time is None else clock() + max_time
        self._signal: str | None = None

    def reason(self) -> str | None:
        """Return the reason to stop; None to continue."""
        if self._signal is not None:
            return f"signal {self._signal}"
        if self._deadline is not None and self._clock() >= self._deadline:
            return "out of time (--max-time)"
        return None

    def remaining(self) -> float | None:
        """Return the time that is left, s, at least 1 ms; None without a limit."""
        return None if self._deadline is None else max(1e-3, self._deadline - self._clock())

    def handle_signal(self, number: int, _frame: FrameType | None) -> None:
        """Record a signal; a second one interrupts at once."""
        if self._signal is not None:
            raise KeyboardInterrupt
        self._signal = signal.Signals(number).name


@contextmanager
def stop_on_signals(request: StopRequest) -> Iterator[StopRequest]:
    """Let SIGINT and SIGTERM set `request` while the block runs; the handlers of before are restored.

    Only the main thread receives signals: in another thread nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    previous = {number: signal.signal(number, request.handle_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
