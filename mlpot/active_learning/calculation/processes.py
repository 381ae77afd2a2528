"""Processes of a calculation: started in their own group, killed together with all of their descendants.

A DFT code starts launchers, which start ranks, in groups and sessions of their own. Therefore the environment of each
process holds the folder of its task, by which it is found. Linux only; elsewhere only the process group is killed.
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

from mlpot.active_learning.calculation.attempt import DISK_FULL, NO_SPACE, attempt_folder, run_attempt
from mlpot.active_learning.calculation.task import token

MARK = "MLPOT_TASK"
LOG = "output.log"
SET_PARENT_DEATH_SIGNAL = 1

LAUNCH = f"""
import ctypes, os, sys
sys.platform == "linux" and ctypes.CDLL(None).prctl({SET_PARENT_DEATH_SIGNAL}, {int(signal.SIGKILL)})
os.getppid() == int(sys.argv[1]) and os.execv(sys.argv[2], sys.argv[2:])
"""


class AttemptProcess:
    """Process of one attempt at a task.

    Parameters
    ----------
    folder : Path
        Of the task.
    number : int
        Of the attempt.
    launcher : list of str
        Command that runs Python, for example on many ranks. Without one, and with `fork`, the process is a fork of this
        one, which saves the imports.
    threads : int
        Of the code and its libraries.
    fork : bool
        Only in a process with one thread.
    """

    def __init__(self, folder: Path, number: int, launcher: list[str], threads: int, *, fork: bool) -> None:
        self.folder = folder
        self._status: int | None = None
        place = attempt_folder(folder, number)
        place.mkdir(exist_ok=True)
        environment = {**os.environ, **thread_variables(threads), MARK: token(folder)}
        if fork and not launcher:
            self._process = None
            self.pid = _fork(place / LOG, environment, lambda: run_attempt(folder, number))
            return
        command = launcher or [sys.executable]
        command = [*command, "-m", "mlpot.active_learning.calculation.attempt", str(folder), str(number)]
        with (place / LOG).open("wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
            )
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """Exit status, negative for a signal; None while the process runs."""
        if self._process is not None:
            return self._process.poll()
        if self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._status = os.waitstatus_to_exitcode(status) if pid else None
        return self._status

    def kill(self) -> None:
        """Kill the process and its descendants, and wait for it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        kill_marked(self.folder)
        while self.poll() is None:
            time.sleep(0.005)


def thread_variables(threads: int) -> dict[str, str]:
    """Environment variables that set the number of threads of codes and their libraries."""
    return dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))


def _fork(log: Path, environment: dict[str, str], run: Callable[[], object]) -> int:
    """Fork this process into a new session; the child is killed when this process dies."""
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
        os.closerange(3, 256)  # the pipe to the driver must close with its worker
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
    """Have the kernel kill this process when its parent, of this process id, dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:  # it is dead already
        os._exit(1)


def dying_with_us(command: list[str]) -> list[str]:
    """Wrap a command so that it is killed when this process dies.

    Parameters
    ----------
    command : list of str
        The first word is a path.

    Returns
    -------
    list of str
        The command started through a short Python script: a `preexec_fn` of `subprocess` is not safe in a process with
        threads.
    """
    return [sys.executable, "-I", "-S", "-c", LAUNCH, str(os.getpid()), *command]


def kill_marked(folder: Path, patience: float = 5.0) -> int:
    """Kill all processes of a task, in any group and session, and return their number.

    Parameters
    ----------
    folder : Path
        Of the task.
    patience : float, s
        Longest wait for processes that do not end at once.
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
    """Other processes whose environment names the task."""
    mark = f"{MARK}={token(folder)}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in path.read_bytes().split(b"\0") and int(path.parent.name) != os.getpid():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found
