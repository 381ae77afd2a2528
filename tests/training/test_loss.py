import numpy as np
import pytest
import torch
from emt_structures import emt_structures

from mlpot.config import LossConfig, LossStage
from mlpot.data import read_structures
from mlpot.model.derivatives import Prediction
from mlpot.training.loss import ErrorSums, Loss, residuals, stage_index
from mlpot.training.samples import SampleSet

WEIGHTS = LossStage(start=0.0, energy=2.0, forces=3.0, stress=5.0)


@pytest.fixture(scope="module")
def structures():
    return read_structures(emt_structures(10))


@pytest.fixture(scope="module")
def samples(structures):
    return SampleSet(structures, [29, 79], 3.5)


def made_up_prediction(batch, seed=0):
    """Labels plus errors of order one, also where there is no label."""
    generator = torch.Generator().manual_seed(seed)

    def noisy(label):
        return label + torch.randn(label.shape, generator=generator, dtype=torch.float64)

    return Prediction(noisy(batch.energy), torch.zeros(0), noisy(batch.forces), noisy(batch.virial), None)


def labelled_errors(prediction, structures):
    """Residuals of the labels that exist, by plain numpy."""
    energy, forces, virial, first = [], [], [], 0
    for index, structure in enumerate(structures):
        n = len(structure.atoms)
        energy.append((prediction.energy[index].item() - structure.energy) / n)
        if structure.forces is not None:
            forces.append((prediction.forces[first : first + n].numpy() - structure.forces).ravel())
        if structure.stress is not None:
            expected = -structure.stress * structure.atoms.get_volume()
            virial.append((prediction.virial[index].numpy() - expected).ravel() / n)
        first += n
    return np.array(energy), np.concatenate(forces), np.concatenate(virial)


def test_loss_is_the_weighted_mean_square_over_existing_labels(structures, samples):
    batch = samples.batch(range(10))
    prediction = made_up_prediction(batch)
    loss = Loss(LossConfig(huber_delta=1e3), 0.7, samples.counts, 1)(residuals(prediction, batch), batch, WEIGHTS)
    means = [np.mean(errors**2) for errors in labelled_errors(prediction, structures)]
    assert loss.item() == pytest.approx(np.dot([2.0, 3.0, 5.0], means) / 0.7**2, rel=1e-12)


def test_sizes_of_vectors_count_quadratically_near_zero_and_linearly_far_away(structures, samples):
    batch = samples.batch(range(10))
    prediction = made_up_prediction(batch)
    loss = Loss(LossConfig(huber_delta=1.0), 1.0, samples.counts, 1)(residuals(prediction, batch), batch, WEIGHTS)
    means = []
    for width, errors in zip((1, 3, 9), labelled_errors(prediction, structures), strict=True):
        size = np.linalg.norm(errors.reshape(-1, width), axis=1)
        assert (size < 1.0).any()
        assert (size > 1.0).any() or width == 1
        means.append(np.where(size < 1.0, size**2, 2.0 * size - 1.0).sum() / errors.size)
    assert loss.item() == pytest.approx(np.dot([2.0, 3.0, 5.0], means), rel=1e-12)


def test_parts_of_a_batch_add_up_to_the_whole(samples):
    parts, total = ([0, 4, 6], [1, 2, 3, 5]), 0.0
    loss = Loss(LossConfig(), 0.7, samples.counts, 3)
    whole = samples.batch([*parts[0], *parts[1]])
    for part in parts:
        batch = samples.batch(part)
        zero = Prediction(batch.energy * 0, torch.zeros(0), batch.forces * 0, batch.virial * 0, None)
        total += loss(residuals(zero, batch), batch, WEIGHTS)
    zero = Prediction(whole.energy * 0, torch.zeros(0), whole.forces * 0, whole.virial * 0, None)
    assert total.item() == pytest.approx(loss(residuals(zero, whole), whole, WEIGHTS).item(), rel=1e-12)


def test_weight_of_a_structure_multiplies_its_part(samples):
    batch = samples.batch([0, 1])
    prediction = made_up_prediction(batch)
    loss = Loss(LossConfig(), 1.0, samples.counts, 1)

    def with_weights(*weights):
        weighted = batch._replace(weight=torch.tensor(weights, dtype=torch.float64))
        return loss(residuals(prediction, weighted), weighted, WEIGHTS).item()

    assert with_weights(3.0, 0.0) == pytest.approx(3 * with_weights(1.0, 0.0), rel=1e-12)
    assert with_weights(1.0, 1.0) == pytest.approx(with_weights(1.0, 0.0) + with_weights(0.0, 1.0), rel=1e-12)


def test_a_residual_of_zero_has_a_gradient(samples):
    batch = samples.batch([0, 1])
    forces = batch.forces.clone().requires_grad_()
    errors = residuals(Prediction(batch.energy, torch.zeros(0), forces, batch.virial, None), batch)
    Loss(LossConfig(), 1.0, samples.counts, 1)(errors, batch, WEIGHTS).backward()
    assert torch.equal(forces.grad, torch.zeros_like(forces))


def test_stages_hold_from_their_start():
    config = LossConfig(stages=[{"start": 0.0, "energy": 1.0}, {"start": 0.5, "energy": 7.0}])
    assert [stage_index(config, progress) for progress in (0.0, 0.499, 0.5, 1.0)] == [0, 0, 1, 1]


def test_error_sums_report_rms_and_mean_errors(structures, samples):
    sums, predictions = ErrorSums(torch.device("cpu")), []
    for indices in (range(6), range(6, 10)):
        batch = samples.batch(indices)
        predictions.append(made_up_prediction(batch))
        sums.add(residuals(predictions[-1], batch), batch)
    whole = Prediction(*(torch.cat([p[k] for p in predictions]) for k in range(4)), None)
    energy, forces, _ = labelled_errors(whole, structures)
    report = sums.report()
    assert report["energy_rmse"] == pytest.approx(1e3 * np.sqrt(np.mean(energy**2)), rel=1e-12)
    assert report["forces_mae"] == pytest.approx(1e3 * np.mean(np.abs(forces)), rel=1e-12)
    stress = [
        -whole.virial[k].numpy() / s.atoms.get_volume() - s.stress
        for k, s in enumerate(structures)
        if s.stress is not None
    ]
    assert report["stress_rmse"] == pytest.approx(1e3 * np.sqrt(np.mean(np.square(stress))), rel=1e-12)


def test_labels_that_do_not_occur_are_not_reported(samples):
    batch = samples.batch([4])  # no forces
    sums = ErrorSums(torch.device("cpu"))
    sums.add(residuals(made_up_prediction(batch), batch), batch)
    assert set(sums.report()) == {"energy_rmse", "energy_mae", "stress_rmse", "stress_mae"}
