"""Performs a task: attempt after attempt until one succeeds, each with a time limit, then the result file.

The process that calls `perform` (a worker here, a job on a cluster) may be killed at any moment: either the complete
result is on the disk, or there is none and the task can be performed again.
"""

import errno
import platform
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlpot.active_learning.calculation.attempt import DISK_FULL, attempt_folder
from mlpot.active_learning.calculation.files import pack, write_json
from mlpot.active_learning.calculation.processes import LOG, AttemptProcess
from mlpot.active_learning.calculation.task import OUTCOME, OUTPUTS, RESULT, Outcome, read_outcome, read_task
from mlpot.active_learning.config import LabelSettings
from mlpot.errors import LabelError

LEAST_SPACE = 5_000_000
"""Bytes of free disk space; with less, a failed calculation counts as one that could not write."""


class LostError(LabelError):
    """The calculation was killed from outside, or abandoned: it must be repeated."""


def perform(folder: Path, *, fork: bool = False, abandoned: Callable[[], bool] = lambda: False) -> None:
    """Perform a task and write its result.

    Parameters
    ----------
    folder : Path
        With `task.json`.
    fork : bool
        Start calculations as forks of this process, which must have one thread.
    abandoned : callable
        Returns True when the result is no longer needed.

    Raises
    ------
    LostError
        Killed from outside, or abandoned.
    OSError
        The disk is full.
    """
    if (folder / RESULT).exists():
        return
    settings = read_task(folder).settings
    began, failures = time.monotonic(), []
    for number in range(1 + len(settings.fallback_settings)):
        outcome = _run(folder, number, settings, fork, abandoned)
        if outcome.state != "failed":
            break
        failures.append(f"attempt {number}: {outcome.reason}")
    reason = outcome.reason if outcome.state == "unusable" else "; ".join(failures)
    result: dict[str, Any] = {"state": outcome.state, "reason": reason, "values": dict(outcome.values)}
    result |= {"attempt": number, "seconds": time.monotonic() - began, "host": platform.node()}
    if settings.keep_outputs:
        result |= _pack_attempts(folder, settings.largest_output)
    write_json(folder / RESULT, result)


def _run(folder: Path, number: int, settings: LabelSettings, fork: bool, abandoned: Callable[[], bool]) -> Outcome:
    place = attempt_folder(folder, number)
    shutil.rmtree(place, ignore_errors=True)
    try:
        process = AttemptProcess(folder, number, settings.launcher, settings.threads, fork=fork)
    except OSError as error:
        if error.filename not in settings.launcher[:1]:
            raise
        return Outcome("unusable", f"`launcher` cannot be started, expected an executable program: {error}", {})
    try:
        status = _wait(process, settings.time_limit, abandoned)
    finally:
        process.kill()  # also of an attempt that ended: descendants may be left
    if status is None:
        return Outcome("failed", f"no result within {settings.time_limit:g} s", {})
    return _outcome(place, status)


def _wait(process: AttemptProcess, limit: float, abandoned: Callable[[], bool]) -> int | None:
    """Exit status, or None beyond the time limit."""
    began, pause = time.monotonic(), 0.002
    while (status := process.poll()) is None:
        if abandoned():
            raise LostError("the result is no longer needed")
        if time.monotonic() - began > limit:
            return None
        time.sleep(pause)
        pause = min(0.2, 1.3 * pause)
    return status


def _outcome(place: Path, status: int) -> Outcome:
    outcome = read_outcome(place / OUTCOME)
    if outcome is not None and outcome.state != "failed":
        return outcome
    if status == DISK_FULL or shutil.disk_usage(place).free < LEAST_SPACE:
        raise OSError(errno.ENOSPC, "no space is left for calculations", str(place))
    if outcome is not None:
        return outcome
    if status in (-signal.SIGKILL, -signal.SIGTERM):
        raise LostError(f"the calculation was killed by {signal.Signals(-status).name}; out of memory?")
    cause = f"crashed with {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
    lines = _last_lines(place / LOG)
    return Outcome("failed", f"the calculation {cause} and left no result" + (f": {lines}" if lines else ""), {})


def _last_lines(log: Path, size: int = 300) -> str:
    return " ".join(log.read_text(errors="replace")[-size:].split()) if log.is_file() else ""


def _pack_attempts(folder: Path, largest: float) -> dict[str, Any]:
    attempts = folder / "attempts"
    attempts.mkdir(exist_ok=True)
    for place in sorted(folder.glob("attempt-*")):
        shutil.rmtree(attempts / place.name, ignore_errors=True)
        place.rename(attempts / place.name)
    sha256, left_out = pack(attempts, folder / OUTPUTS, largest * 1e6)
    return {"raw_sha256": sha256, "left_out": left_out}
