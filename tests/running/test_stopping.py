import os
import signal
import threading

import pytest

from mlpot.running.stopping import StopRequest, stop_on_signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_becomes_a_reason(number):
    request = StopRequest()
    before = signal.getsignal(number)
    with stop_on_signals(request):
        assert request.reason() is None
        os.kill(os.getpid(), number)
        assert request.reason() == f"signal {number.name}"
    assert signal.getsignal(number) is before


def test_a_second_signal_interrupts():
    request = StopRequest()
    with stop_on_signals(request):
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_time_runs_out():
    now = [100.0]
    request = StopRequest(max_time=5.0, clock=lambda: now[0])
    assert request.reason() is None
    now[0] = 105.0
    assert "max-time" in request.reason()


def test_other_threads_leave_the_handlers_alone():
    before, seen = signal.getsignal(signal.SIGTERM), []

    def work():
        with stop_on_signals(StopRequest()):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
