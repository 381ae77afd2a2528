"""Calculations in processes of this machine, without a service.

Each worker is a Python process that ends when this process ends, and kills its calculation. A worker that dies is
replaced, and its calculation is killed before it is reported as lost.
"""

import json
import os
import selectors
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from mlpot.active_learning.calculation.processes import kill_marked, thread_variables
from mlpot.active_learning.executors.interface import Ended

PATIENCE = 10.0
"""Seconds in which a worker must end after SIGTERM."""


@dataclass
class _Worker:
    process: "subprocess.Popen[bytes]"
    task: Path | None = None
    buffer: bytes = field(default=b"")

    @property
    def answers(self) -> IO[bytes]:
        if self.process.stdout is None:
            raise RuntimeError("a worker is always started with pipes")
        return self.process.stdout


class EmbeddedExecutor:
    """Local worker processes.

    Parameters
    ----------
    n_workers : int
        Calculations at the same time.
    folder : Path
        For the log of the workers.
    """

    survives_driver = False
    blocked = ""

    def __init__(self, n_workers: int, folder: Path) -> None:
        self._n_workers = n_workers
        self._log = folder / "workers.log"
        self._selector = selectors.DefaultSelector()
        self._workers: list[_Worker] = []
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def n_free(self) -> int:
        """Number of further tasks that can be submitted now."""
        return self._n_workers - sum(worker.task is not None for worker in self._workers)

    def submit(self, folder: Path) -> None:
        """Give a task to an idle worker."""
        worker = next((one for one in self._workers if one.task is None), None) or self._start()
        worker.task = folder
        if worker.process.stdin is None:
            raise RuntimeError("a worker is always started with pipes")
        try:
            worker.process.stdin.write(json.dumps(str(folder)).encode() + b"\n")
            worker.process.stdin.flush()
        except BrokenPipeError:
            pass  # it is dead; `wait` finds that, and reports the task as lost

    def wait(self, timeout: float) -> list[Ended]:
        """Tasks that ended; returns after `timeout` seconds at the latest."""
        ended: list[Ended] = []
        for key, _ in self._selector.select(timeout):
            worker: _Worker = key.data
            chunk = os.read(key.fd, 65536)
            if not chunk:
                ended += self._remove(worker)
                continue
            *lines, worker.buffer = (worker.buffer + chunk).split(b"\n")
            ended += [one for line in lines for one in _ended(worker, json.loads(line))]
        return ended

    def close(self) -> None:
        """End all workers and their calculations."""
        for worker in self._workers:
            _close(worker.process.stdin)  # ends an idle worker
            worker.process.terminate()  # ends one that performs a task
        for worker in list(self._workers):
            try:
                worker.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                worker.process.kill()
            self._remove(worker)
        self._selector.close()

    def _start(self) -> _Worker:
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "mlpot.active_learning.calculation.worker", str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                # One thread: a worker forks, and threads do not survive that.
                env={**os.environ, **thread_variables(1)},
                start_new_session=True,  # Ctrl-C is handled by the driver
            )
        worker = _Worker(process)
        self._workers.append(worker)
        self._selector.register(worker.answers, selectors.EVENT_READ, worker)
        return worker

    def _remove(self, worker: _Worker) -> list[Ended]:
        """Remove a worker that ended, and kill its calculation."""
        self._selector.unregister(worker.answers)
        self._workers.remove(worker)
        status = worker.process.wait()
        _close(worker.process.stdin)
        _close(worker.process.stdout)
        if worker.task is None:
            return []
        kill_marked(worker.task)
        return [Ended(worker.task, lost=f"its worker ended with status {status}")]


def _ended(worker: _Worker, answer: dict[str, str]) -> list[Ended]:
    if worker.task is None or "ready" in answer:
        return []
    folder, worker.task = worker.task, None
    return [Ended(folder, answer.get("lost"), answer.get("broken"))]


def _close(pipe: IO[bytes] | None) -> None:
    try:
        if pipe is not None:
            pipe.close()
    except BrokenPipeError:
        pass  # the worker died before it read its last task
