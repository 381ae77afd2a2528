"""One line of configuration, one executor."""

from pathlib import Path

from mlpot.active_learning.executors.embedded import EmbeddedExecutor
from mlpot.active_learning.executors.interface import Executor
from mlpot.active_learning.executors.slurm import SlurmExecutor
from mlpot.active_learning.settings import ExecutorSettings


def make_executor(settings: ExecutorSettings, work_folder: Path) -> Executor:
    """Executor of a configuration.

    Parameters
    ----------
    settings : ExecutorSettings
    work_folder : Path
        Where it may keep its files.

    Returns
    -------
    Executor

    Raises
    ------
    ConfigError
        Slurm is not there.
    """
    if settings.kind == "local":
        return EmbeddedExecutor(settings.workers, work_folder)
    return SlurmExecutor(settings)
