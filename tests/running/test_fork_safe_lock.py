"""A lock in forked processes: free if another thread held it, held if the forking thread does."""

import os
import threading

import pytest

from mlpot.running.fork_safe_lock import ForkSafeLock

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),  # of Python 3.12, about other threads
]


def is_free(lock):
    """Whether another thread can take the lock."""
    taken = threading.Event()

    def take():
        with lock:
            taken.set()

    threading.Thread(target=take, daemon=True).start()
    return taken.wait(0.2)


def in_a_fork(check):
    """Whether a check is true in a forked process, which must end."""
    child = os.fork()
    if child == 0:
        threading.Timer(5.0, os._exit, (2,)).start()
        os._exit(0 if check() else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_it_is_a_reentrant_lock():
    lock = ForkSafeLock()
    with lock, lock:
        assert not is_free(lock)
    assert is_free(lock)


def test_a_child_can_take_the_lock_of_another_thread():
    lock, held, end = ForkSafeLock(), threading.Event(), threading.Event()

    def hold():
        with lock:
            held.set()
            end.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    try:
        assert in_a_fork(lambda: is_free(lock))
        assert not is_free(lock)
    finally:
        end.set()
        thread.join()


def test_a_child_of_the_thread_that_holds_the_lock_holds_it():
    lock = ForkSafeLock()

    def check():
        held = not is_free(lock)
        lock.__exit__(None, None, None)
        return held and is_free(lock)

    with lock:
        assert in_a_fork(check)
    assert in_a_fork(lambda: is_free(lock))
