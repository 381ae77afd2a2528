"""Slurm's own commands: what is in its queue, submit, cancel. Nothing is remembered here, and everything may fail.

A job is known by the folder that it runs in: whoever looks into the queue finds it there, whatever was forgotten.
"""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mlpot.active_learning.labelling.processes import thread_variables
from mlpot.active_learning.settings import ExecutorSettings
from mlpot.errors import LabelError

ANSWER_TIME = 60.0
"""Seconds in which a command of Slurm must answer."""

ENDED = {
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "COMPLETING",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "REVOKED",
    "TIMEOUT",
}
"""States in which nothing of a job goes on. COMPLETING lasts as long as a dead node does not answer."""

SILENCE = ("contact slurm controller", "timed out", "connection refused", "connect failure", "unable to connect")
FULL = ("limit", "temporarily unable", "resource temporarily", "too many")
"""Words of refusals that time mends."""


class SilentError(LabelError):
    """Slurm does not answer, or takes no jobs just now."""


class RefusedError(LabelError):
    """Slurm would refuse this job again."""


@dataclass(frozen=True)
class QueuedJob:
    """A job as Slurm sees it.

    Attributes
    ----------
    number : str
    state : str
        In the words of Slurm: ``PENDING``, ``RUNNING``, ``NODE_FAIL``, ...
    reason : str
        Why it waits, or why it ended.
    folder : str
        Where it runs.
    """

    number: str
    state: str
    reason: str
    folder: str

    @property
    def alive(self) -> bool:
        """It runs, or will."""
        return self.state not in ENDED


def jobs_of_user() -> list[QueuedJob]:
    """List the jobs of this user, with those that ended in the last minutes.

    Returns
    -------
    list of QueuedJob

    Raises
    ------
    SilentError
    """
    answer = _ask(["squeue", f"--user={os.getuid()}", "--noheader", "--states=all", "--format=%A|%T|%r|%Z"])
    if answer.returncode != 0:
        raise SilentError(_words(answer))
    return [QueuedJob(*line.split("|", 3)) for line in answer.stdout.splitlines() if line.count("|") >= 3]


def submit(folder: Path, settings: ExecutorSettings) -> str:
    """Put a task into the queue. It is begun once at most: a node that fails brings no job back.

    Parameters
    ----------
    folder : Path
        Of the task.
    settings : ExecutorSettings

    Returns
    -------
    str
        Number of the job.

    Raises
    ------
    SilentError
        It may be in the queue or not.
    RefusedError
    """
    command = ["sbatch", "--parsable", "--no-requeue", "--export=ALL", f"--job-name={folder.name}"]
    command += [f"--chdir={folder}", f"--output={folder / 'slurm.log'}", f"--ntasks={settings.cores}"]
    if settings.partition is not None:
        command.append(f"--partition={settings.partition}")
    if settings.run_time is not None:
        command.append(f"--time={max(1, round(settings.run_time / 60.0))}")
    # One thread: the job makes copies of itself, which threads do not survive.
    lines = ["#!/bin/bash", *(f"export {name}={number}" for name, number in thread_variables(1).items())]
    # The job starts in its own folder; modules of the user are found where the driver stands, as without Slurm.
    lines.append(f"export PYTHONPATH={shlex.quote(os.getcwd())}${{PYTHONPATH:+:$PYTHONPATH}}")
    lines.append(f"exec '{sys.executable}' -m mlpot.active_learning.labelling.slurm_job '{folder}'")
    answer = _ask([*command, *settings.options], "\n".join(lines) + "\n")
    if answer.returncode == 0:
        return answer.stdout.strip().split(";")[0]
    words = _words(answer)
    if any(sign in words.lower() for sign in (*SILENCE, *FULL)):
        raise SilentError(words)
    raise RefusedError(words)


def cancel(numbers: Iterable[str]) -> None:
    """End jobs; those that Slurm does not hear of go on, and find their folder gone.

    Parameters
    ----------
    numbers : iterable of str
    """
    numbers = list(numbers)
    if numbers:
        _ask(["scancel", *numbers])


def _ask(command: list[str], script: str | None = None) -> "subprocess.CompletedProcess[str]":
    # Started from inside of a job, Slurm's commands would take that job's size for the new one's.
    inherited = "SLURM_JOB_ID" in os.environ
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("SQUEUE_") and not (inherited and name.startswith("SLURM_") and name != "SLURM_CONF")
    }
    try:
        return subprocess.run(
            command, input=script, env=environment, capture_output=True, text=True, timeout=ANSWER_TIME, check=False
        )
    except subprocess.TimeoutExpired:
        raise SilentError(f"{command[0]} timed out after {ANSWER_TIME:g} s") from None


def _words(answer: "subprocess.CompletedProcess[str]") -> str:
    return " ".join((answer.stderr or answer.stdout).split())[:300] or f"status {answer.returncode}"
