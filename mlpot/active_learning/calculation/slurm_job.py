"""Program of a Slurm job: ``python -m mlpot.active_learning.calculation.slurm_job FOLDER``."""

import os
import sys
from pathlib import Path

from mlpot.active_learning.calculation.perform import LostError, perform
from mlpot.active_learning.calculation.task import BEGUN


def main() -> int:
    """Perform a task, unless another job has started it, and return the exit status."""
    folder = Path(sys.argv[1])
    try:
        # A driver killed during submission leaves an unrecorded job, and submits the task again: only one may start.
        descriptor = os.open(folder / BEGUN, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    except FileExistsError:
        sys.stdout.write(f"another job has started {folder}\n")
        return 0
    os.write(descriptor, os.environ.get("SLURM_JOB_ID", "").encode())
    os.close(descriptor)
    try:
        perform(folder, fork=True)
    except (LostError, OSError) as error:
        sys.stdout.write(f"{type(error).__name__}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
