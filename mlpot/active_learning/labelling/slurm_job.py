"""What a job of Slurm runs: ``python -m mlpot.active_learning.labelling.slurm_job FOLDER``."""

import os
import sys
from pathlib import Path

from mlpot.active_learning.labelling.supervise import LostError, perform
from mlpot.active_learning.labelling.task import BEGUN


def main() -> int:
    """Do a task, unless another job has begun it.

    Returns
    -------
    int
        Exit status.
    """
    folder = Path(sys.argv[1])
    try:
        # A driver that is killed while it submits leaves a job that nobody knows of: only the first one may begin.
        descriptor = os.open(folder / BEGUN, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    except FileExistsError:
        sys.stdout.write(f"another job has begun {folder}\n")
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
