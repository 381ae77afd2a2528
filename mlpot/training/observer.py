"""Progress of a training run, reported to an observer: the training itself prints nothing."""

from collections.abc import Mapping
from typing import NamedTuple


class TrainingProgress(NamedTuple):
    """Position of a run.

    Attributes
    ----------
    epoch, step : int
        Epochs and optimizer steps done.
    epochs : int or None
        Length of the run; None where it is given in steps or time.
    fraction : float
        Done part of the run: of its time budget, if it has one, else of its steps.
    is_over : bool
    """

    epoch: int
    step: int
    epochs: int | None
    fraction: float
    is_over: bool


class TrainingObserver:
    """Receives the progress of a run. Methods of this class do nothing: override those that are needed."""

    def message(self, content: object) -> None:
        """Receive a line of text or a table about the data (`LabelReport`, `ReferenceEnergies`)."""

    def labelled(self, done: int, total: int) -> None:
        """Receive the number of structures around which teachers have made pseudo-labels."""

    def stepped(self, progress: TrainingProgress, loss: float) -> None:
        """Receive the loss of an optimizer step."""

    def validated(self, progress: TrainingProgress, row: Mapping[str, float]) -> None:
        """Receive the new row of the history after a validation."""
