"""Makes the executor of a configuration."""

from pathlib import Path

from mlpot.active_learning.config import ExecutorSettings
from mlpot.active_learning.executors.embedded import EmbeddedExecutor
from mlpot.active_learning.executors.interface import Executor
from mlpot.active_learning.executors.slurm import SlurmExecutor


def make_executor(settings: ExecutorSettings, work_folder: Path) -> Executor:
    """Make the executor of a configuration; it may keep files in the work folder.

    Raises
    ------
    ConfigError
        Slurm is not installed.
    """
    if settings.kind == "local":
        return EmbeddedExecutor(settings.workers, work_folder)
    return SlurmExecutor(settings)
