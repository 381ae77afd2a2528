"""A task from beginning to end: rung after rung until one succeeds, under a time limit, then the result file.

Whoever calls `perform` (a worker here, a job on a cluster) may be killed at any moment: there is a result, whole and
on the disk, or there is none and the task can be performed again.
"""

import errno
import platform
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlpot.active_learning.labelling.calculate import DISK_FULL, rung_folder
from mlpot.active_learning.labelling.files import pack, write_json
from mlpot.active_learning.labelling.processes import LOG, RungProcess
from mlpot.active_learning.labelling.task import OUTCOME, OUTPUTS, RESULT, Outcome, read_outcome, read_task
from mlpot.active_learning.settings import LabelSettings
from mlpot.errors import LabelError

LEAST_SPACE = 5_000_000
"""Bytes on the disk; where less is left, a calculation that fails has failed for that."""


class LostError(LabelError):
    """The calculation was killed from outside, or given up: it must be done again."""


def perform(folder: Path, *, fork: bool = False, abandoned: Callable[[], bool] = lambda: False) -> None:
    """Do a task and write its result.

    Parameters
    ----------
    folder : Path
        With `task.json`.
    fork : bool
        Start calculations as copies of this process, which must have one thread.
    abandoned : callable
        True when nobody waits for the result any more.

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
    for rung in range(1 + len(settings.ladder)):
        outcome = _run(folder, rung, settings, fork, abandoned)
        if outcome.state != "failed":
            break
        failures.append(f"rung {rung}: {outcome.reason}")
    reason = outcome.reason if outcome.state == "unusable" else "; ".join(failures)
    result: dict[str, Any] = {"state": outcome.state, "reason": reason, "values": dict(outcome.values), "rung": rung}
    result |= {"seconds": time.monotonic() - began, "host": platform.node()}
    if settings.keep_outputs:
        result |= _pack_rungs(folder, settings.largest_output)
    write_json(folder / RESULT, result)


def _run(folder: Path, rung: int, settings: LabelSettings, fork: bool, abandoned: Callable[[], bool]) -> Outcome:
    place = rung_folder(folder, rung)
    shutil.rmtree(place, ignore_errors=True)
    try:
        process = RungProcess(folder, rung, settings.launcher, settings.threads, fork=fork)
    except OSError as error:
        if error.filename not in settings.launcher[:1]:
            raise
        return Outcome("unusable", f"`launcher` cannot be started, expected an executable program: {error}", {})
    try:
        status = _wait(process, settings.time_limit, abandoned)
    finally:
        process.kill()  # the leader, or what it left behind
    if status is None:
        return Outcome("failed", f"no result within {settings.time_limit:g} s", {})
    return _outcome(place, status)


def _wait(process: RungProcess, limit: float, abandoned: Callable[[], bool]) -> int | None:
    """Exit status, or None after the time limit."""
    began, pause = time.monotonic(), 0.002
    while (status := process.poll()) is None:
        if abandoned():
            raise LostError("nobody waits for the result any more")
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


def _pack_rungs(folder: Path, largest: float) -> dict[str, Any]:
    rungs = folder / "rungs"
    rungs.mkdir(exist_ok=True)
    for place in sorted(folder.glob("rung-*")):
        shutil.rmtree(rungs / place.name, ignore_errors=True)
        place.rename(rungs / place.name)
    sha256, left_out = pack(rungs, folder / OUTPUTS, largest * 1e6)
    return {"raw_sha256": sha256, "left_out": left_out}
