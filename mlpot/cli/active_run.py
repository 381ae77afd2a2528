"""What `mlpot active run` does around the loop: its configuration and its last words."""

from pathlib import Path

from rich.console import Console

from mlpot.active_learning.config import read_loop_config
from mlpot.active_learning.loop import run_loop
from mlpot.training.launch import UNFINISHED_STATUS


def run_command(source: Path) -> int:
    """Run a loop and say how it ended.

    Parameters
    ----------
    source : Path
        YAML.

    Returns
    -------
    int
        Exit status: 0, `UNFINISHED_STATUS` after an early stop, 1 where it is halted.
    """
    config, console = read_loop_config(source), Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    result = run_loop(config, console)
    if result.halted is not None:
        console.print(f"halted: {result.halted}\nmend it, then go on with: mlpot active run {source}")
        return 1
    if result.stopped is not None:
        console.print(f"stopped ({result.stopped}); nothing is lost; go on with: mlpot active run {source}")
        return UNFINISHED_STATUS
    console.print(f"done: {result.ended}\n{result.model}\nlook at it: mlpot active report {config.store}")
    return 0
