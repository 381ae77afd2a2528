"""Training: from a configuration to a folder with `model.pt`.

Data flow: `preparation` (data, reference energies, initial weights) -> `loop` around `fit` (batches, loss, optimizer,
averaged weights, checkpoints) -> `run` (scores, export, plots). The command line enters through `launch`.
"""

from mlpot.extras import needs

with needs("train"):
    from mlpot.training.run import TrainingResult, train

__all__ = ["TrainingResult", "train"]
