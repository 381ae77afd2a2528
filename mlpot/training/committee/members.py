"""Members of a deep committee, each trained by a process of its own in a folder of its own, one or several at a time.

A member is an ordinary run (`mlpot train`) with a seed and, with bootstrap, a sample of the data of its own; validation
part, reference energies and scales are those of the committee. It is resumed like any run, and an array job can train
each member on another machine (``training.committee.member``).
"""

import json
import subprocess
import sys
import time
from pathlib import Path

from mlpot.config import CommitteeConfig, TrainConfig
from mlpot.config.train_file import write_train_config
from mlpot.errors import TrainingError
from mlpot.model_file.bundle import ModelBundle
from mlpot.running.outputs import check_output_folder
from mlpot.running.stopping import UNFINISHED_STATUS, StopRequest, stop_on_signals
from mlpot.training.checkpoint import CHECKPOINT_NAME
from mlpot.training.committee.assemble import join
from mlpot.training.observer import TrainingObserver
from mlpot.training.run import MODEL_NAME, SUMMARY_NAME
from mlpot.training.training_data import read_training_data

_POLL_SECONDS = 0.1


def train_members(
    config: TrainConfig,
    *,
    resume: bool = False,
    max_time: float | None = None,
    observer: TrainingObserver | None = None,
) -> Path | None:
    """Train all members that are not finished and join them.

    Parameters
    ----------
    config : TrainConfig
        With ``training.committee``.
    resume : bool
        Continue members that have checkpoints.
    max_time : float, s, optional
        Stop after this time with checkpoints.
    observer : TrainingObserver, optional
        Receives the names of members that start; with it, members trained one at a time print their own progress.

    Returns
    -------
    Path or None
        The committee's model file; None if members are not finished.

    Raises
    ------
    TrainingError
        A member failed, or the folder holds a run already.
    """
    committee = config.training.committee
    if committee is None:
        raise TrainingError("no `training.committee` in the configuration")
    folder = config.run.output.resolve()
    check_output_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    members = [_member_config(config, committee, index, folder) for index in range(committee.members)]
    if not resume and any((member.run.output / CHECKPOINT_NAME).exists() for member in members):
        raise TrainingError(
            f"{folder} holds a run already: continue it (--resume), or choose another folder (--output)"
        )
    waiting = [member for member in members if not _is_finished(member)]
    stop = StopRequest(max_time)
    with stop_on_signals(stop):
        _Pool(config.run.parallel_members, stop, max_time, observer).run(waiting)
    if not all(_is_finished(member) for member in members):
        return None
    training, validation, _ = read_training_data(config)
    target = folder / MODEL_NAME
    join([ModelBundle.read(member.run.output / MODEL_NAME) for member in members], training, validation).save(target)
    return target


def _member_config(config: TrainConfig, committee: CommitteeConfig, index: int, folder: Path) -> TrainConfig:
    member = committee.model_copy(update={"member": index})
    training = config.training.model_copy(update={"committee": member})
    run = config.run.model_copy(update={"output": folder / f"member-{index}"})
    return config.model_copy(update={"training": training, "run": run})


def _is_finished(config: TrainConfig) -> bool:
    summary = config.run.output / SUMMARY_NAME
    return summary.is_file() and bool(json.loads(summary.read_text(encoding="utf-8"))["complete"])


class _Pool:
    """Processes that train members, up to `size` at a time; their output goes into log files."""

    def __init__(self, size: int, stop: StopRequest, max_time: float | None, observer: TrainingObserver | None) -> None:
        self.size, self.stop, self.observer = size, stop, observer
        self.deadline = None if max_time is None else time.monotonic() + max_time
        self.running: dict[Path, subprocess.Popen[bytes]] = {}

    def run(self, members: list[TrainConfig]) -> None:
        """Train until all members are done or a stop is requested."""
        waiting = list(members)
        terminated = False
        while self.running or (waiting and not self.stop.reason()):
            while waiting and len(self.running) < self.size and not self.stop.reason():
                self._start(waiting.pop(0))
            time.sleep(_POLL_SECONDS)
            if self.stop.reason() and not terminated:
                terminated = True
                for process in self.running.values():
                    process.terminate()  # it writes a checkpoint and exits
            for folder in [folder for folder, process in self.running.items() if process.poll() is not None]:
                status = self.running.pop(folder).returncode
                # A process that is terminated before its signal handler is set exits without a checkpoint.
                if status not in (0, UNFINISHED_STATUS) and not (terminated and status < 0):
                    self._end_others()
                    raise TrainingError(f"{folder.name} failed with status {status}: see above, or {folder}.log")

    def _end_others(self) -> None:
        for process in self.running.values():
            process.terminate()
        for process in self.running.values():
            process.wait()

    def _start(self, member: TrainConfig) -> None:
        folder = member.run.output
        configuration = folder.with_suffix(".yaml")
        write_train_config(member, configuration)
        command = [sys.executable, "-m", "mlpot", "train", str(configuration)]
        if (folder / CHECKPOINT_NAME).exists():
            command.append("--resume")
        if self.deadline is not None:
            command += ["--max-time", f"{max(1.0, self.deadline - time.monotonic()):.1f}"]
        if self.observer is not None:
            self.observer.message(f"{folder.name} ...")
        if self.size == 1 and self.observer is not None:
            self.running[folder] = subprocess.Popen(command)
            return
        with folder.with_suffix(".log").open("ab") as log:
            self.running[folder] = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
