"""An observer of trainings that keeps the messages."""

from mlpot.training.observer import TrainingObserver


class Messages(TrainingObserver):
    def __init__(self):
        self.contents = []

    def message(self, content):
        self.contents.append(content)

    def text(self):
        """Lines of text, without tables."""
        return "\n".join(content for content in self.contents if isinstance(content, str))
