"""Commands of Slurm: list the queue, submit, cancel. Stateless; every command may fail.

A job is identified by the folder that it runs in, which the queue lists.
"""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mlpot.active_learning.calculation.processes import thread_variables
from mlpot.active_learning.config import ExecutorSettings
from mlpot.errors import LabelError

COMMAND_TIMEOUT = 60.0
"""Seconds in which a command of Slurm must end."""

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
"""States of jobs that no longer run. COMPLETING lasts as long as a dead node does not answer."""

UNREACHABLE = ("contact slurm controller", "timed out", "connection refused", "connect failure", "unable to connect")
FULL = ("limit", "temporarily unable", "resource temporarily", "too many")
"""Parts of error messages after which the same command may succeed later."""


class UnreachableError(LabelError):
    """Slurm does not answer, or accepts no jobs at present."""


class RejectedError(LabelError):
    """Slurm rejects this job, and would do so again."""


@dataclass(frozen=True)
class QueuedJob:
    """A job in Slurm's queue.

    Attributes
    ----------
    number : str
    state : str
        As Slurm names it: ``PENDING``, ``RUNNING``, ``NODE_FAIL``, ...
    reason : str
        Why it is pending, or why it ended.
    folder : str
        In which it runs.
    """

    number: str
    state: str
    reason: str
    folder: str

    @property
    def alive(self) -> bool:
        """Whether it runs or is pending."""
        return self.state not in ENDED


def jobs_of_user() -> list[QueuedJob]:
    """List the jobs of this user, including those that ended in the last minutes."""
    answer = _run(["squeue", f"--user={os.getuid()}", "--noheader", "--states=all", "--format=%A|%T|%r|%Z"])
    if answer.returncode != 0:
        raise UnreachableError(_message(answer))
    return [QueuedJob(*line.split("|", 3)) for line in answer.stdout.splitlines() if line.count("|") >= 3]


def submit(folder: Path, settings: ExecutorSettings) -> str:
    """Submit a task, and return the number of its job. Slurm does not requeue it after a node failure.

    Raises
    ------
    UnreachableError
        The job may be in the queue or not.
    RejectedError
        The job is not in the queue.
    """
    command = ["sbatch", "--parsable", "--no-requeue", "--export=ALL", f"--job-name={folder.name}"]
    command += [f"--chdir={folder}", f"--output={folder / 'slurm.log'}", f"--ntasks={settings.cores}"]
    if settings.partition is not None:
        command.append(f"--partition={settings.partition}")
    if settings.run_time is not None:
        command.append(f"--time={max(1, round(settings.run_time / 60.0))}")
    # One thread: the job forks, and threads do not survive that.
    lines = ["#!/bin/bash", *(f"export {name}={number}" for name, number in thread_variables(1).items())]
    # The job starts in its own folder; modules of the user are found in the folder of the driver, as without Slurm.
    lines.append(f"export PYTHONPATH={shlex.quote(os.getcwd())}${{PYTHONPATH:+:$PYTHONPATH}}")
    lines.append(f"exec '{sys.executable}' -m mlpot.active_learning.calculation.slurm_job '{folder}'")
    answer = _run([*command, *settings.options], "\n".join(lines) + "\n")
    if answer.returncode == 0:
        return answer.stdout.strip().split(";")[0]
    message = _message(answer)
    if any(sign in message.lower() for sign in (*UNREACHABLE, *FULL)):
        raise UnreachableError(message)
    raise RejectedError(message)


def cancel(numbers: Iterable[str]) -> None:
    """Cancel jobs, by their numbers."""
    numbers = list(numbers)
    if numbers:
        _run(["scancel", *numbers])


def _run(command: list[str], script: str | None = None) -> "subprocess.CompletedProcess[str]":
    # Started inside of a job, Slurm's commands would use the size of that job for the new one.
    inherited = "SLURM_JOB_ID" in os.environ
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("SQUEUE_") and not (inherited and name.startswith("SLURM_") and name != "SLURM_CONF")
    }
    try:
        return subprocess.run(
            command, input=script, env=environment, capture_output=True, text=True, timeout=COMMAND_TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        raise UnreachableError(f"{command[0]} timed out after {COMMAND_TIMEOUT:g} s") from None


def _message(answer: "subprocess.CompletedProcess[str]") -> str:
    return " ".join((answer.stderr or answer.stdout).split())[:300] or f"status {answer.returncode}"
