"""One line of configuration, one executor."""

from pathlib import Path

from mlpot.active.executors.embedded import EmbeddedExecutor
from mlpot.active.executors.interface import Executor
from mlpot.active.executors.slurm import SlurmExecutor
from mlpot.active.settings import ExecutorSettings


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
