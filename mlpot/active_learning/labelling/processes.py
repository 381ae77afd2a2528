"""Processes of a calculation: started in a group of their own, ended with everything that they started.

A DFT code starts launchers, which start ranks, in groups and sessions of their own: so every one of them carries the
name of its task in its environment, by which it is found. Linux only; elsewhere the process group is all there is.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from mlpot.active_learning.labelling.calculate import DISK_FULL, NO_SPACE, run_rung, rung_folder
from mlpot.active_learning.labelling.task import token

MARK = "MLPOT_TASK"
LOG = "output.log"
SET_PARENT_DEATH_SIGNAL = 1

LAUNCH = f"""
import ctypes, os, sys
sys.platform == "linux" and ctypes.CDLL(None).prctl({SET_PARENT_DEATH_SIGNAL}, {int(signal.SIGKILL)})
os.getppid() == int(sys.argv[1]) and os.execv(sys.argv[2], sys.argv[2:])
"""


class RungProcess:
    """A running rung of the ladder.

    Parameters
    ----------
    folder : Path
        Of the task.
    rung : int
    launcher : list of str
        Command that runs Python, on many ranks for instance. Without one, and with `fork`, the process is a copy of
        this one, which has everything imported already.
    threads : int
        Of the code and its libraries.
    fork : bool
        Only in a process of one thread.
    """

    def __init__(self, folder: Path, rung: int, launcher: list[str], threads: int, *, fork: bool) -> None:
        self.folder = folder
        self._status: int | None = None
        place = rung_folder(folder, rung)
        place.mkdir(exist_ok=True)
        environment = {**os.environ, **thread_variables(threads), MARK: token(folder)}
        if fork and not launcher:
            self._process = None
            self.pid = _fork(place / LOG, environment, lambda: run_rung(folder, rung))
            return
        command = launcher or [sys.executable]
        command = [*command, "-m", "mlpot.active_learning.labelling.calculate", str(folder), str(rung)]
        with (place / LOG).open("wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
            )
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """Exit status, negative for a signal; None while it runs."""
        if self._process is not None:
            return self._process.poll()
        if self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._status = os.waitstatus_to_exitcode(status) if pid else None
        return self._status

    def kill(self) -> None:
        """End it and all that it started, and wait for it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        kill_marked(self.folder)
        while self.poll() is None:
            time.sleep(0.005)


def thread_variables(threads: int) -> dict[str, str]:
    """Environment variables by which codes and their libraries take so many threads.

    Parameters
    ----------
    threads : int

    Returns
    -------
    dict
    """
    return dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))


def _fork(log: Path, environment: dict[str, str], run: Callable[[], object]) -> int:
    """Start a copy of this process in a session of its own that ends with this one."""
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        os.setsid()
        die_with(parent)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        os.environ.update(environment)
        nothing, out = os.open(os.devnull, os.O_RDONLY), os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(nothing, 0)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.closerange(3, 256)  # the pipe to the driver must end with its worker
        run()
        status = 0
    except OSError as error:
        status = DISK_FULL if error.errno in NO_SPACE else 1
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def die_with(parent: int) -> None:
    """Have this process killed when its parent dies.

    Parameters
    ----------
    parent : int
        Process id.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:  # it died before
        os._exit(1)


def dying_with_us(command: list[str]) -> list[str]:
    """Command that is killed when this process dies, however that ends.

    Parameters
    ----------
    command : list of str
        Its first word is a path.

    Returns
    -------
    list of str
        The same command, started by a Python of no more than three lines: what `subprocess` could do between fork and
        exec is not safe in a process with threads.
    """
    return [sys.executable, "-I", "-S", "-c", LAUNCH, str(os.getpid()), *command]


def kill_marked(folder: Path, patience: float = 5.0) -> int:
    """End every process that belongs to a task, wherever it hides.

    Parameters
    ----------
    folder : Path
        Of the task.
    patience : float, s
        For those that do not go at once.

    Returns
    -------
    int
        How many there were.
    """
    killed: set[int] = set()
    deadline = time.monotonic() + patience
    while (found := _marked(folder)) and time.monotonic() < deadline:
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
        killed.update(found)
        time.sleep(0.01)
    return len(killed)


def _marked(folder: Path) -> list[int]:
    """Find processes, this one apart, whose environment names the task."""
    mark = f"{MARK}={token(folder)}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in path.read_bytes().split(b"\0") and int(path.parent.name) != os.getpid():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found
