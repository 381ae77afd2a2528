"""Training: from a configuration to a folder with `model.pt`.

Data flow, all of it in `run.train`: `training_data` (reading, division) -> `distillation` (pseudo-labels) -> `setup`
(samples, reference energies, initial weights) -> `Trainer.fit` (batches, loss, optimizer, averaged weights,
checkpoints) -> scores, plots, export, shallow committee (`committee`). An `observer` receives the progress.
"""

from mlpot.extras import needs

with needs("train"):
    from mlpot.training.observer import TrainingObserver
    from mlpot.training.run import TrainingResult, train

__all__ = ["TrainingObserver", "TrainingResult", "train"]
