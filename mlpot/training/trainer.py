"""The training loop: one explicit loop over batches, the same for one process and for several.

Several processes share each batch. Loss contributions add up to the loss of the batch (see `loss`), so gradients are
summed over the processes in one flat tensor: forces need a second derivative, and the models are small, so the hooks of
DistributedDataParallel would save nothing. The same tensor carries the stop request and the time.
"""

import math
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from lightning_fabric import Fabric
from torch import Tensor

from mlpot.config import TrainConfig, member_seed
from mlpot.errors import TrainingError
from mlpot.model import Potential, evaluate
from mlpot.running.stopping import StopRequest
from mlpot.training.averaging import MovingAverage
from mlpot.training.batching import IntArray, count_batches, plan_epoch, plan_evaluation, share_of
from mlpot.training.checkpoint import Checkpointer
from mlpot.training.flat import FlatParameters
from mlpot.training.loss import ErrorSums, Loss, residuals, stage_index
from mlpot.training.metrics import MetricsLog
from mlpot.training.native import Derivatives, choose_derivatives
from mlpot.training.observer import TrainingObserver, TrainingProgress
from mlpot.training.optimizer import make_optimizers
from mlpot.training.samples import SampleSet
from mlpot.training.schedule import initial_plan, learning_rate
from mlpot.training.state import Row, TrainerState

# Scoring keeps no graph for a second derivative, so larger batches fit.
_EVALUATION_FACTOR = 4


class FailedBatchError(TrainingError):
    """The loss or the gradient of a batch is not a finite number.

    Attributes
    ----------
    indices : list of int
        Structures of the batch, as indices into the training set.
    """

    def __init__(self, message: str, indices: list[int]) -> None:
        super().__init__(message)
        self.indices = indices


class StepResult(NamedTuple):
    """Outcome of one optimizer step, equal on all processes."""

    loss: float
    stop: bool
    elapsed: float


class Trainer:
    """A training run in memory: weights, their average, optimizer, data and state.

    Parameters
    ----------
    fabric : Fabric
        Launched; device and processes.
    config : TrainConfig
    potential : Potential
        On the device of `fabric`, in the dtype of the run.
    train : SampleSet
        Not empty.
    validation : SampleSet or None
    scale : float, eV/A
        Unit of the residuals in the loss.
    """

    def __init__(
        self,
        fabric: Fabric,
        config: TrainConfig,
        potential: Potential,
        train: SampleSet,
        validation: SampleSet | None,
        scale: float,
    ) -> None:
        self.fabric, self.config, self.potential = fabric, config, potential
        self.train, self.validation = train, validation
        self.settings = config.training
        self.n_batches = count_batches(train.n_atoms, self.settings.batch_atoms)
        self.state = TrainerState(initial_plan(self.settings, self.n_batches))
        self.evaluate, self.engine = choose_derivatives(potential, self.settings.engine)
        self.threads = torch.get_num_threads()
        self.weights = FlatParameters(potential)
        self.average = MovingAverage(potential, self.weights, self.settings.ema_decay)
        self.optimizers = make_optimizers(potential, self.settings)
        self.loss = Loss(config.loss, scale, train.counts, self.n_batches)
        self.validation_loss = None if validation is None else Loss(config.loss, scale, validation.counts, 1)
        self._started = time.monotonic()

    # --- the loop

    def fit(
        self, stop: StopRequest, checkpointer: Checkpointer, log: MetricsLog, observer: TrainingObserver
    ) -> str | None:
        """Train until all steps are done or a stop is requested; a checkpoint is written in both cases.

        Returns
        -------
        str or None
            Why the run stopped early, or None if it is complete.
        """
        state = self.state
        if not state.history:
            self._report(self.add_row(None), log, observer)
            checkpointer.save()
        while not self.is_over():
            for indices in self.batches()[state.batch :]:
                result = self.step(indices, stop.reason() is not None)
                state.batch += 1
                state.loss_sum += result.loss
                if self.adapt_length(result.elapsed):
                    checkpointer.save()
                observer.stepped(self.progress(), result.loss)
                if self.is_over():
                    break
                if result.stop:
                    checkpointer.save()
                    return stop.reason() or "stop requested in another process"
                checkpointer.save_if_due()
            row = self.close_epoch()
            if row is not None:
                self._report(row, log, observer)
        checkpointer.save()
        return None

    def _report(self, row: Row, log: MetricsLog, observer: TrainingObserver) -> None:
        log.add(row)
        observer.validated(self.progress(), row)

    def progress(self) -> TrainingProgress:
        """Position of the run."""
        state, budget = self.state, self.settings.time_budget
        fraction = state.plan.progress(state.step) if budget is None else min(1.0, self.elapsed() / budget)
        return TrainingProgress(state.epoch, state.step, self.settings.epochs, fraction, self.is_over())

    # --- one step

    def step(self, indices: IntArray, stop: bool) -> StepResult:
        """Take one optimizer step on a batch.

        Parameters
        ----------
        indices : (n_in_batch,)
            The whole batch; this process computes its share of it.
        stop : bool
            Whether a stop is requested in this process; all processes stop if it is in any of them.

        Raises
        ------
        FailedBatchError
            Loss or gradient not finite; the weights are those before the step.
        """
        self._enter_stage()
        self.weights.gradient.zero_()
        loss, agreed_stop, elapsed = self._add_up(self._backward(indices), stop)
        norm = self._clip()
        loss_value, norm_value = torch.stack([loss, norm.to(loss.dtype)]).tolist()
        if not (math.isfinite(loss_value) and math.isfinite(norm_value)):
            raise FailedBatchError(
                f"step {self.state.step} is not finite: loss {loss_value}, gradient norm {norm_value}",
                indices.tolist(),
            )
        self._move(self.learning_rate())
        self.state.step += 1
        self.average.update(self.state.step)
        return StepResult(loss_value, agreed_stop, elapsed)

    def _move(self, lr: float) -> None:
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = lr
            optimizer.step()

    def learning_rate(self) -> float:
        """Learning rate of the next step."""
        state = self.state
        return learning_rate(self.settings, state.plan, state.plateau, state.step, state.stage_step)

    def _enter_stage(self) -> None:
        """Reset the moments of the gradient where a stage of the loss begins.

        They belong to a loss with other weights: where the weight of a label rises by a factor of 100, steps with the
        old moments would be 100 times longer than those of the learning rate, and destroy the model.
        """
        stage = stage_index(self.config.loss, self.state.plan.progress(self.state.step))
        if stage != self.state.stage:
            self.state.stage, self.state.stage_step = stage, self.state.step
            for optimizer in self.optimizers:
                optimizer.state.clear()

    def _backward(self, indices: IntArray) -> Tensor:
        """Loss of this process's share of a batch; its gradient is left in the parameters."""
        share = share_of(indices, self.train.n_atoms, self.fabric.global_rank, self.fabric.world_size)
        if not len(share):
            return torch.zeros((), dtype=torch.float64, device=self.fabric.device)
        batch = self.train.batch(share).to(self.fabric.device)
        weights = self.config.loss.stages[self.state.stage]
        prediction = self.evaluate(self.potential, batch.graph, training=True)
        loss = self.loss(residuals(prediction, batch), batch, weights)
        self.fabric.backward(loss)
        return loss.detach()

    def _add_up(self, loss: Tensor, stop: bool) -> tuple[Tensor, bool, float]:
        """Sum loss and gradients over the processes, and agree on stopping and on the time."""
        elapsed = self.elapsed()
        if self.fabric.world_size == 1:
            return loss, stop, elapsed
        gradient = self.weights.gradient
        is_first = self.fabric.is_global_zero
        tail = torch.tensor([float(stop), elapsed if is_first else 0.0], dtype=loss.dtype, device=loss.device)
        summed = self.fabric.all_reduce(torch.cat([gradient.to(loss.dtype), loss[None], tail]), reduce_op="sum")
        if not isinstance(summed, Tensor):
            raise TypeError(f"all_reduce returned {type(summed).__name__}")
        gradient.copy_(summed[:-3])
        votes, first_elapsed = summed[-2:].tolist()
        return summed[-3], votes > 0.0, first_elapsed

    def _clip(self) -> Tensor:
        """Norm of the gradient before clipping."""
        limit = float("inf") if self.settings.gradient_clip is None else self.settings.gradient_clip
        return torch.nn.utils.clip_grad_norm_(self.weights.values, limit)

    # --- time and length

    def elapsed(self) -> float:
        """Seconds spent on the run so far, earlier processes included."""
        return self.state.elapsed + time.monotonic() - self._started

    def start_clock(self) -> None:
        """Start to measure the time of this process."""
        self._started = time.monotonic()

    def adapt_length(self, elapsed: float) -> bool:
        """Set the number of remaining steps from the measured speed, at the marks of a time budget.

        Parameters
        ----------
        elapsed : float, s
            Equal on all processes.

        Returns
        -------
        bool
            Whether the length has changed.
        """
        budget, state = self.settings.time_budget, self.state
        if budget is None or not state.plan.is_mark_due(state.step, elapsed, budget):
            return False
        state.plan.replan(state.step, elapsed, budget)
        return True

    # --- epochs

    def batches(self) -> list[IntArray]:
        """Batches of the present epoch."""
        return plan_epoch(self.train.n_atoms, self.settings.batch_atoms, member_seed(self.settings), self.state.epoch)

    def is_over(self) -> bool:
        """Whether all steps are done."""
        return self.state.step >= self.state.plan.total_steps

    def close_epoch(self) -> Row | None:
        """Count the epoch; validate if one is due, and return the new row of the history."""
        state = self.state
        state.epoch += 1
        mean_loss = state.loss_sum / max(1, state.batch)
        state.batch, state.loss_sum = 0, 0.0
        if state.epoch % self.config.run.validate_every and not self.is_over():
            return None
        return self.add_row(mean_loss)

    def add_row(self, train_loss: float | None) -> Row:
        """Validate the averaged weights and append a row to the history; before the first step there is no loss."""
        state = self.state
        row: Row = {
            "epoch": float(state.epoch),
            "step": float(state.step),
            "lr": self.learning_rate(),
        }
        if train_loss is not None:
            row["train_loss"] = train_loss
        if self.validation is not None:
            loss, report = self.score(self.validation)
            row |= {"validation_loss": loss, **report}
            state.plateau.update(loss, self.settings.schedule)
        row["time"] = self.elapsed()
        state.history.append(row)
        return row

    def score(self, samples: SampleSet) -> tuple[float, dict[str, float]]:
        """Errors of the averaged weights on a data set.

        Returns
        -------
        loss : float
            With the weights of the last stage; 0 for a set other than the validation set.
        report : dict
            See `ErrorSums.report`.
        """
        device = self.fabric.device
        errors, total = ErrorSums(device), torch.zeros(1, dtype=torch.float64, device=device)
        plan = plan_evaluation(samples.n_atoms, _EVALUATION_FACTOR * self.settings.batch_atoms)
        for indices in plan[self.fabric.global_rank :: self.fabric.world_size]:
            batch = samples.batch(indices).to(device)
            errors_of_batch = residuals(self.evaluate(self.average.module, batch.graph), batch)
            errors.add(errors_of_batch, batch)
            if samples is self.validation and self.validation_loss is not None:
                total += self.validation_loss(errors_of_batch, batch, self.config.loss.stages[-1])
        if self.fabric.world_size > 1:
            summed = self.fabric.all_reduce(torch.cat([errors.sums.flatten(), total]), reduce_op="sum")
            if not isinstance(summed, Tensor):
                raise TypeError(f"all_reduce returned {type(summed).__name__}")
            errors.sums, total = summed[:-1].view(3, 3), summed[-1:]
        return total.item(), errors.report()

    def evaluate_exported(self) -> Derivatives:
        """Return the function that evaluates a potential as its exported file does: with the density gate."""
        return self.evaluate if self.potential.n_layers == 1 else evaluate

    # --- checkpoints

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed run depends on."""
        return {
            "state": {**self.state.to_dict(), "elapsed": self.elapsed()},
            "weights": self.potential.state_dict(),
            "constants": dict(self.potential.named_buffers()),
            "average": self.average.module.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
        }

    def load_state_dict(self, content: Mapping[str, Any]) -> None:
        """Restore the state of a checkpoint."""
        self.state = TrainerState.from_dict(content["state"])
        self.potential.load_state_dict(content["weights"])
        self.average.module.load_state_dict(content["average"])
        for optimizer, state in zip(self.optimizers, content["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        # Tables that a module computes when it is made differ in the last bit between processes.
        for module in (self.potential, self.average.module):
            for name, constant in module.named_buffers():
                constant.copy_(content["constants"][name])
        self.start_clock()
