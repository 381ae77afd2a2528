"""Worker process: performs tasks one after another.

Started as ``python -m mlpot.active_learning.calculation.worker PARENT``. It reads folders from standard input, one a
line, and writes one line of JSON for each finished task. It ends with its parent, and kills the running calculation.
"""

import json
import os
import signal
import sys
from pathlib import Path

from mlpot.active_learning.calculation.perform import LostError, perform


def main() -> None:
    """Perform tasks until there are no more, or the parent is dead."""
    parent, stopped = int(sys.argv[1]), []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # output of libraries must not reach the driver
    print(json.dumps({"ready": os.getpid()}), file=answers, flush=True)

    def abandoned() -> bool:
        return bool(stopped) or os.getppid() != parent

    while not abandoned() and (line := sys.stdin.readline()):
        folder = Path(json.loads(line))
        answer: dict[str, str] = {}
        try:
            perform(folder, fork=True, abandoned=abandoned)
        except LostError as error:
            answer["lost"] = str(error)
        except OSError as error:
            answer["broken"] = f"{type(error).__name__}: {error}; free space and start again"
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
