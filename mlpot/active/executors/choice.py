"""One line of configuration, one executor."""

from pathlib import Path

from mlpot.active.executors.embedded import EmbeddedExecutor
from mlpot.active.executors.interface import Executor
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
        What it needs is not installed.
    """
    if settings.kind == "local":
        return EmbeddedExecutor(settings.workers, work_folder)
    from mlpot.active.executors.cluster import ClusterExecutor  # noqa: PLC0415  # an optional dependency

    return ClusterExecutor(settings, work_folder)
