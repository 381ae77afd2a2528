import matplotlib.image
import numpy as np
import pytest
import torch

from mlpot.training.plots import plot_learning_curve, plot_parity
from mlpot.training.scoring import LabelPairs, predict_labels


def drawn(path):
    """Share of the picture that is not white."""
    pixels = matplotlib.image.imread(path)[..., :3]
    return float((pixels < 0.99).any(axis=2).mean())


def history(n, labels=("energy", "forces")):
    rows = []
    for epoch in range(n):
        row = {
            "epoch": epoch,
            "step": 10 * epoch,
            "time": epoch,
            "lr": 0.01 / (1 + epoch),
            "train_loss": 1 / (1 + epoch),
        }
        rows.append(row | {f"{label}_{kind}": 100 / (1 + epoch) for label in labels for kind in ("rmse", "mae")})
    return rows


@pytest.mark.parametrize(("n", "labels"), [(30, ()), (1, ("forces",)), (30, ("energy", "forces", "stress"))])
def test_learning_curve(tmp_path, n, labels):
    plot_learning_curve(history(n, labels), tmp_path / "curve.png")
    width = matplotlib.image.imread(tmp_path / "curve.png").shape[1]
    assert width == pytest.approx(4.2 * 150 * (1 + len(labels)), abs=2)
    assert drawn(tmp_path / "curve.png") > 0.02


@pytest.mark.parametrize("n", [200, 6000])
def test_parity(tmp_path, n):
    rng = np.random.default_rng(0)
    label = torch.tensor(rng.normal(size=n))
    pairs = torch.stack([label, label + 0.05 * torch.tensor(rng.normal(size=n))], 1)
    plot_parity(LabelPairs(pairs, pairs, pairs[:0]), tmp_path / "parity.png", title="test")
    assert matplotlib.image.imread(tmp_path / "parity.png").shape[1] == pytest.approx(2 * 4.4 * 150, abs=2)
    assert drawn(tmp_path / "parity.png") > 0.03


def test_parity_of_a_perfect_model_and_of_nothing(tmp_path):
    same, empty = torch.zeros(3, 2, dtype=torch.float64), torch.zeros(0, 2)
    plot_parity(LabelPairs(same, empty, empty), tmp_path / "same.png", title="test")
    plot_parity(LabelPairs(empty, empty, empty), tmp_path / "empty.png", title="test")
    assert (tmp_path / "same.png").exists()
    assert not (tmp_path / "empty.png").exists()


def test_pairs_agree_with_the_scores(make_trainer):
    trainer = make_trainer()
    references = torch.tensor([1.5, -2.0], dtype=torch.float64)
    pairs = predict_labels(
        trainer.evaluate, trainer.average.module, trainer.validation, references, 10, trainer.fabric.device
    )
    _, report = trainer.score(trainer.validation)
    for label in ("energy", "forces", "stress"):
        errors = getattr(pairs, label).diff(dim=1)
        assert 1e3 * errors.square().mean().sqrt().item() == pytest.approx(report[f"{label}_rmse"], rel=1e-12)
    structures = trainer.validation.structures
    species = [[29, 79].index(z) for z in structures[0].atoms.numbers]
    interaction = (structures[0].energy - references[species].sum().item()) / len(species)
    assert pairs.energy[:, 0].sub(interaction).abs().min() < 1e-12
