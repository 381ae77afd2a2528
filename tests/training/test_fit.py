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


def test_gradient_of_the_loss_agrees_with_finite_differences(make_fit):
    fit = make_fit()
    batch = fit.train.batch([0, 1, 2, 3])

    def loss():
        errors = residuals(evaluate(fit.potential, batch.graph, training=True), batch)
        return fit.loss(errors, batch, LossStage(start=0.0, energy=1.0, forces=1.0, stress=1.0))

    loss().backward()
    rng = np.random.default_rng(0)
    for parameter in filter(torch.numel, fit.potential.parameters()):
        place = tuple(rng.integers(0, size) for size in parameter.shape)
        step, values = 1e-5, []
        for sign in (1, -1):
            with torch.no_grad():
                parameter[place] += sign * step
                values.append(loss().item())
                parameter[place] -= sign * step
        numerical = (values[0] - values[1]) / (2 * step)
        assert parameter.grad[place].item() == pytest.approx(numerical, rel=1e-6, abs=1e-7)


def test_steps_lower_the_loss(make_fit):
    fit = make_fit(training={"epochs": 15, "lr": 0.05}, loss={"stages": [{"start": 0.0}]})
    losses = []
    while not fit.is_over():
        for indices in fit.batches():
            losses.append(fit.step(indices, stop=False).loss)
            fit.state.batch += 1
        fit.close_epoch()
    n = fit.n_batches
    assert np.mean(losses[-n:]) < 0.6 * np.mean(losses[:n])
    assert fit.state.history[-1]["forces_rmse"] < 0.6 * fit.state.history[0]["forces_rmse"]


def test_a_checkpoint_restores_the_course_exactly(make_fit, tmp_path):
    fit, again = make_fit(), make_fit()
    batches = fit.batches()
    fit.step(batches[0], stop=False)
    write_checkpoint(tmp_path / "c.pt", fit.state_dict())
    again.load_state_dict(read_checkpoint(tmp_path / "c.pt", fit.fabric.device))
    for indices in batches[1:3]:
        assert fit.step(indices, stop=False).loss == again.step(indices, stop=False).loss
    assert all(map(torch.equal, weights_of(fit.potential), weights_of(again.potential)))
    assert all(map(torch.equal, weights_of(fit.average.module), weights_of(again.average.module)))


def test_equal_seeds_give_equal_weights_and_others_do_not(make_fit):
    first, second, other = make_fit(), make_fit(), make_fit(training={"seed": 1})
    assert all(map(torch.equal, weights_of(first.potential), weights_of(second.potential)))
    assert not all(map(torch.equal, weights_of(first.potential), weights_of(other.potential)))


def test_global_random_state_and_dtype_are_left_alone(make_fit):
    state = torch.random.get_rng_state()
    fit = make_fit()
    fit.step(fit.batches()[0], stop=False)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.get_default_dtype() == torch.float32


def test_a_loss_that_is_not_finite_names_the_batch_and_changes_nothing(make_fit):
    fit = make_fit()
    fit.weights.values.data[:5] = float("nan")
    before = weights_of(fit.average.module)
    indices = fit.batches()[0]
    with pytest.raises(FailedBatchError, match="loss nan") as caught:
        fit.step(indices, stop=False)
    assert caught.value.indices == indices.tolist()
    assert fit.state.step == 0
    assert all(map(torch.equal, weights_of(fit.average.module), before))


def test_gradient_is_clipped(make_fit):
    fit = make_fit(training={"gradient_clip": 1e-4})
    fit._backward(fit.batches()[0])
    longest = torch.sqrt(sum(p.grad.square().sum() for p in fit.potential.parameters() if p.numel()))
    assert fit._clip().item() == pytest.approx(longest.item(), rel=1e-12)
    clipped = torch.sqrt(sum(p.grad.square().sum() for p in fit.potential.parameters() if p.numel()))
    assert clipped.item() == pytest.approx(1e-4 * longest.item() / (longest.item() + 1e-6), rel=1e-4)  # as torch has it


def test_float32_follows_float64(make_fit):
    single, double = make_fit(training={"precision": "float32"}), make_fit()
    assert {p.dtype for p in single.potential.parameters()} == {torch.float32}
    indices = double.batches()[0]
    assert single.step(indices, stop=False).loss == pytest.approx(double.step(indices, stop=False).loss, rel=1e-4)


def test_scores_are_those_of_the_averaged_weights(make_fit):
    fit = make_fit()
    with torch.no_grad():
        for parameter in fit.potential.parameters():
            parameter.fill_(float("nan"))
    _, report = fit.score(fit.validation)
    assert np.isfinite(report["forces_rmse"])


def test_validation_may_be_rarer_than_epochs(make_fit):
    fit = make_fit(training={"epochs": 3}, run={"validate_every": 2})
    rows = []
    while not fit.is_over():
        for indices in fit.batches():
            fit.step(indices, stop=False)
            fit.state.batch += 1
        rows.append(fit.close_epoch())
    assert [row is not None for row in rows] == [False, True, True]


def test_a_new_stage_does_not_destroy_what_was_learned(make_fit):
    """The weight of the energy rises by ten thousand; stale moments would throw the model off."""
    stages = [{"start": 0.0, "energy": 0.01, "stress": 0.0}, {"start": 0.75, "energy": 100.0, "stress": 0.0}]
    training = {"epochs": 20, "gradient_clip": None, "schedule": {"warmup_steps": 0}}
    fit = make_fit(training=training, loss={"stages": stages})
    changes = []
    while not fit.is_over():
        for indices in fit.batches():
            before = fit.weights.values.detach().clone()
            fit.step(indices, stop=False)
            moved = (fit.weights.values.detach() - before).abs().max().item()
            changes.append(moved / fit.optimizers[0].param_groups[0]["lr"])
        fit.close_epoch()
    assert fit.state.stage == 1
    assert fit.state.stage_step == 90
    assert max(changes[90:]) < 1.5
