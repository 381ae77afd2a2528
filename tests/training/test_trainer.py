import numpy as np
import pytest
import torch

from mlpot.config import LossStage
from mlpot.model import evaluate
from mlpot.training.checkpoint import read_checkpoint, write_checkpoint
from mlpot.training.loss import residuals
from mlpot.training.trainer import FailedBatchError


def weights_of(module):
    return [parameter.detach().clone() for parameter in module.parameters()]


def test_gradient_of_the_loss_agrees_with_finite_differences(make_trainer):
    trainer = make_trainer()
    batch = trainer.train.batch([0, 1, 2, 3])

    def loss():
        errors = residuals(evaluate(trainer.potential, batch.graph, training=True), batch)
        return trainer.loss(errors, batch, LossStage(start=0.0, energy=1.0, forces=1.0, stress=1.0))

    loss().backward()
    rng = np.random.default_rng(0)
    for parameter in filter(torch.numel, trainer.potential.parameters()):
        place = tuple(rng.integers(0, size) for size in parameter.shape)
        step, values = 1e-5, []
        for sign in (1, -1):
            with torch.no_grad():
                parameter[place] += sign * step
                values.append(loss().item())
                parameter[place] -= sign * step
        numerical = (values[0] - values[1]) / (2 * step)
        assert parameter.grad[place].item() == pytest.approx(numerical, rel=1e-6, abs=1e-7)


def test_steps_lower_the_loss(make_trainer):
    trainer = make_trainer(training={"epochs": 15, "lr": 0.05}, loss={"stages": [{"start": 0.0}]})
    losses = []
    while not trainer.is_over():
        for indices in trainer.batches():
            losses.append(trainer.step(indices, stop=False).loss)
            trainer.state.batch += 1
        trainer.close_epoch()
    n = trainer.n_batches
    assert np.mean(losses[-n:]) < 0.6 * np.mean(losses[:n])
    assert trainer.state.history[-1]["forces_rmse"] < 0.6 * trainer.state.history[0]["forces_rmse"]


def test_a_restored_checkpoint_continues_bit_for_bit(make_trainer, tmp_path):
    trainer, again = make_trainer(), make_trainer()
    batches = trainer.batches()
    trainer.step(batches[0], stop=False)
    write_checkpoint(tmp_path / "c.pt", trainer.state_dict())
    again.load_state_dict(read_checkpoint(tmp_path / "c.pt", trainer.fabric.device))
    for indices in batches[1:3]:
        assert trainer.step(indices, stop=False).loss == again.step(indices, stop=False).loss
    assert all(map(torch.equal, weights_of(trainer.potential), weights_of(again.potential)))
    assert all(map(torch.equal, weights_of(trainer.average.module), weights_of(again.average.module)))


def test_equal_seeds_give_equal_weights_and_others_do_not(make_trainer):
    first, second, other = make_trainer(), make_trainer(), make_trainer(training={"seed": 1})
    assert all(map(torch.equal, weights_of(first.potential), weights_of(second.potential)))
    assert not all(map(torch.equal, weights_of(first.potential), weights_of(other.potential)))


def test_global_random_state_and_dtype_do_not_change(make_trainer):
    state = torch.random.get_rng_state()
    trainer = make_trainer()
    trainer.step(trainer.batches()[0], stop=False)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.get_default_dtype() == torch.float32


def test_a_loss_that_is_not_finite_names_the_batch_and_keeps_the_weights(make_trainer):
    trainer = make_trainer()
    trainer.weights.values.data[:5] = float("nan")
    before = weights_of(trainer.average.module)
    indices = trainer.batches()[0]
    with pytest.raises(FailedBatchError, match="loss nan") as caught:
        trainer.step(indices, stop=False)
    assert caught.value.indices == indices.tolist()
    assert trainer.state.step == 0
    assert all(map(torch.equal, weights_of(trainer.average.module), before))


def test_gradient_is_clipped(make_trainer):
    trainer = make_trainer(training={"gradient_clip": 1e-4})
    trainer._backward(trainer.batches()[0])
    longest = torch.sqrt(sum(p.grad.square().sum() for p in trainer.potential.parameters() if p.numel()))
    assert trainer._clip().item() == pytest.approx(longest.item(), rel=1e-12)
    clipped = torch.sqrt(sum(p.grad.square().sum() for p in trainer.potential.parameters() if p.numel()))
    assert clipped.item() == pytest.approx(1e-4 * longest.item() / (longest.item() + 1e-6), rel=1e-4)  # as torch has it


def test_float32_follows_float64(make_trainer):
    single, double = make_trainer(training={"precision": "float32"}), make_trainer()
    assert {p.dtype for p in single.potential.parameters()} == {torch.float32}
    indices = double.batches()[0]
    assert single.step(indices, stop=False).loss == pytest.approx(double.step(indices, stop=False).loss, rel=1e-4)


def test_scores_are_those_of_the_averaged_weights(make_trainer):
    trainer = make_trainer()
    with torch.no_grad():
        for parameter in trainer.potential.parameters():
            parameter.fill_(float("nan"))
    _, report = trainer.score(trainer.validation)
    assert np.isfinite(report["forces_rmse"])


def test_validation_may_be_rarer_than_epochs(make_trainer):
    trainer = make_trainer(training={"epochs": 3}, run={"validate_every": 2})
    rows = []
    while not trainer.is_over():
        for indices in trainer.batches():
            trainer.step(indices, stop=False)
            trainer.state.batch += 1
        rows.append(trainer.close_epoch())
    assert [row is not None for row in rows] == [False, True, True]


def test_steps_stay_short_after_a_new_stage_of_the_loss(make_trainer):
    """The weight of the energy rises by ten thousand; steps with the old moments would be too long."""
    stages = [{"start": 0.0, "energy": 0.01, "stress": 0.0}, {"start": 0.75, "energy": 100.0, "stress": 0.0}]
    training = {"epochs": 20, "gradient_clip": None, "schedule": {"warmup_steps": 0}}
    trainer = make_trainer(training=training, loss={"stages": stages})
    changes = []
    while not trainer.is_over():
        for indices in trainer.batches():
            before = trainer.weights.values.detach().clone()
            trainer.step(indices, stop=False)
            moved = (trainer.weights.values.detach() - before).abs().max().item()
            changes.append(moved / trainer.optimizers[0].param_groups[0]["lr"])
        trainer.close_epoch()
    assert trainer.state.stage == 1
    assert trainer.state.stage_step == 90
    assert max(changes[90:]) < 1.5
