"""Calculations as jobs of a Slurm cluster, through executorlib: state in files, no service, no open port.

The result file in the task folder, which all machines see, is what counts; executorlib tells which jobs are in the
queue, which ended, and which died. Jobs go on when the driver dies: submitted again under the same key, they are
found in the queue and waited for.
"""

import shutil
import subprocess
import time
import warnings
from concurrent.futures import CancelledError, Future, wait
from pathlib import Path
from typing import Any

from mlpot.active.executors.interface import Ended
from mlpot.active.label.supervise import LostError, perform
from mlpot.active.label.task import RESULT
from mlpot.active.settings import ExecutorSettings
from mlpot.errors import ConfigError


def perform_task(folder: str) -> str:
    """Do a task, on the machine that the cluster chose.

    Parameters
    ----------
    folder : str

    Returns
    -------
    str
        Empty, or why the task cannot be performed here.
    """
    try:
        perform(Path(folder))
    except OSError as error:
        return f"{type(error).__name__}: {error}"
    return ""


class ClusterExecutor:
    """Jobs of Slurm.

    Parameters
    ----------
    settings : ExecutorSettings
    folder : Path
        On a disk that all machines of the cluster see.

    Raises
    ------
    ConfigError
        executorlib or Slurm is not there.
    """

    survives_driver = True

    def __init__(self, settings: ExecutorSettings, folder: Path) -> None:
        try:
            from executorlib import SlurmClusterExecutor  # noqa: PLC0415  # an optional dependency
        except ImportError as error:
            raise ConfigError(f"jobs on a cluster need executorlib: pip install 'mlpot[cluster]' ({error})") from error
        if shutil.which("sbatch") is None:
            raise ConfigError("kind slurm needs `sbatch`, which is not there: run this where jobs are submitted")
        self._n_workers = settings.workers
        self._futures: dict[Future[str], Path] = {}
        self._cache = folder / "executorlib"
        self._cache.mkdir(parents=True, exist_ok=True)
        resources: dict[str, Any] = {"cores": settings.cores, "partition": settings.partition or _default_partition()}
        resources["run_time_max"] = None if settings.run_time is None else int(settings.run_time)
        self._resources = {key: value for key, value in resources.items() if value is not None}
        self._executor = SlurmClusterExecutor(
            cache_directory=str(self._cache),
            pysqa_config_directory=None if settings.template is None else str(settings.template),
            disable_dependencies=True,
            refresh_rate=0.5,
            wait=False,
        )

    @property
    def n_free(self) -> int:
        """How many more tasks it takes now."""
        return self._n_workers - len(self._futures)

    def submit(self, folder: Path) -> None:
        """Put a task into the queue, or find it there.

        Parameters
        ----------
        folder : Path
        """
        resources = {**self._resources, "cache_key": folder.name, "cwd": str(folder)}
        with warnings.catch_warnings():
            # executorlib passes the partition on to its own template and yet calls it unknown.
            warnings.filterwarnings("ignore", message="The following keys are not recognized")
            future = self._executor.submit(perform_task, str(folder), resource_dict=resources)
        self._futures[future] = folder

    def wait(self, timeout: float) -> list[Ended]:
        """Tasks that ended.

        Parameters
        ----------
        timeout : float, s

        Returns
        -------
        list of Ended
        """
        if not self._futures:
            time.sleep(timeout)
            return []
        done = wait(self._futures, timeout, return_when="FIRST_COMPLETED").done
        return [self._ended(future) for future in done]

    def _ended(self, future: "Future[str]") -> Ended:
        folder = self._futures.pop(future)
        for path in self._cache.glob(f"{folder.name}_*.h5"):
            path.unlink(missing_ok=True)  # or the next attempt would be taken for this one
        if (folder / RESULT).exists():
            return Ended(folder)
        try:
            answer = future.result()
        except (LostError, RuntimeError, CancelledError) as error:  # executorlib raises the second for jobs that died
            return Ended(folder, lost=_sentence(error))
        except Exception as error:  # the queue refuses the job: it would refuse the next one too
            return Ended(folder, broken=f"the queue does not take jobs: {_sentence(error)}")
        return Ended(folder, broken=answer) if answer else Ended(folder, lost="the job left no result")

    def close(self) -> None:
        """Cancel all jobs."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def _default_partition() -> str:
    """Name of the partition that Slurm marks as its default; executorlib must be told one."""
    answer = subprocess.run(["sinfo", "-h", "-o", "%P"], capture_output=True, text=True, check=False)
    names = answer.stdout.split()
    if not names:
        raise ConfigError(f"Slurm names no partition: {answer.stderr.strip() or 'is it running?'}")
    return next((name for name in names if name.endswith("*")), names[0]).rstrip("*")


def _sentence(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
