"""Starts the process of one measurement, waits for it, and leaves nothing behind when it is interrupted."""

import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from mlpot.errors import EngineError
from mlpot.running.tuned_process import tuned_environment

_PATIENCE = 5.0
"""Seconds that MPI gets to end its processes."""


def measure(task: dict[str, Any], *, threads: int) -> dict[str, Any]:
    """Carry out a task of `worker` in a new process.

    Parameters
    ----------
    task : dict
    threads : int
        OpenMP threads.

    Returns
    -------
    dict
        The answer.

    Raises
    ------
    EngineError
        It failed; the message has the reason.
    """
    with tempfile.TemporaryDirectory() as folder:
        question, answer = Path(folder) / "task.json", Path(folder) / "answer.json"
        question.write_text(json.dumps(task))
        command = [sys.executable, "-W", "ignore", "-m", "mlpot.benchmark.worker", str(question), str(answer)]
        environment = _environment(threads, tuned=task["program"] != "LAMMPS")
        # One that a signal ends does not remove its own temporary files: they go with this folder.
        complaint = _run(command, environment | {"TMPDIR": folder})
        if not answer.is_file():
            raise EngineError(_last_line(complaint))
        result: dict[str, Any] = json.loads(answer.read_text())
    if "error" in result:
        raise EngineError(result["error"])
    return result


def _run(command: list[str], environment: dict[str, str]) -> str:
    """Wait for a command; what it wrote. Its process group ends with this call, however the call ends."""
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        return process.communicate()[0]
    except BaseException:
        _end_group(process)
        raise


def _end_group(process: subprocess.Popen[str]) -> None:
    """End a process and its children: first by SIGTERM, on which MPI ends its ranks."""
    _signal_group(process.pid, signal.SIGTERM)
    try:
        process.wait(timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        pass
    finally:
        _signal_group(process.pid, signal.SIGKILL)
        process.wait()


def _signal_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return


def _environment(threads: int, *, tuned: bool) -> dict[str, str]:
    """Environment of the process; Python gets the allocator settings for torch."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    return (tuned_environment(environment, platform.libc_ver()) if tuned else None) or environment


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "the process ended without an answer"
