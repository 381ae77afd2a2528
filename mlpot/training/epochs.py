"""Epochs, checkpoints and reasons to stop, around the steps of `fit`."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlpot.running.stopping import StopRequest
from mlpot.training.checkpoint import CHECKPOINT_NAME, write_checkpoint
from mlpot.training.display import Display
from mlpot.training.metrics import MetricsLog
from mlpot.training.trainer import Trainer


class Checkpointer:
    """Writes checkpoints; the first process only.

    Parameters
    ----------
    fit : Trainer
    folder : Path
    identity : mapping
        What the run is: configuration and data hashes, stored with each checkpoint.
    interval : float, s
        Longest time between checkpoints.
    """

    def __init__(self, fit: Trainer, folder: Path, identity: Mapping[str, Any], interval: float) -> None:
        self.fit, self.path, self.identity, self.interval = fit, folder / CHECKPOINT_NAME, identity, interval
        self._last = time.monotonic()

    def save(self) -> None:
        """Write a checkpoint now."""
        if self.fit.fabric.is_global_zero:
            write_checkpoint(self.path, {**self.identity, **self.fit.state_dict()})
        self._last = time.monotonic()

    def save_if_due(self) -> None:
        """Write a checkpoint if the last one is old enough."""
        if time.monotonic() - self._last >= self.interval:
            self.save()


def run_epochs(fit: Trainer, stop: StopRequest, keeper: Checkpointer, log: MetricsLog, display: Display) -> str | None:
    """Train until all steps are done or a stop is asked for; a checkpoint is written in both cases.

    Returns
    -------
    str or None
        Why the run stopped early, or None if it is complete.
    """
    state = fit.state
    if not state.history:
        _record(fit, fit.add_row(None), log, display)
        keeper.save()
    while not fit.is_over():
        for indices in fit.batches()[state.batch :]:
            result = fit.step(indices, stop.reason() is not None)
            state.batch += 1
            state.loss_sum += result.loss
            if fit.adapt_length(result.elapsed):
                keeper.save()
            display.stepped(fit, result.loss)
            if fit.is_over():
                break
            if result.stop:
                keeper.save()
                return stop.reason() or "another process was asked to stop"
            keeper.save_if_due()
        row = fit.close_epoch()
        if row is not None:
            _record(fit, row, log, display)
    keeper.save()
    return None


def _record(fit: Trainer, row: Mapping[str, float], log: MetricsLog, display: Display) -> None:
    log.add(row)
    display.validated(fit, row)
