"""`mlpot train` with its arguments: reads the configuration, trains, prints the result."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from mlpot.cli.training_display import TrainingDisplay, describe_errors
from mlpot.config import TrainConfig, parse_duration
from mlpot.config.train_file import read_train_config
from mlpot.errors import ConfigError
from mlpot.running.stopping import UNFINISHED_STATUS
from mlpot.training.committee.members import train_members
from mlpot.training.run import train


def train_command(
    source: Path | None,
    options: Mapping[str, Mapping[str, object]],
    overrides: Sequence[str],
    *,
    resume: bool,
    max_time: str | None,
) -> int:
    """Read the configuration, train, and print the result.

    Parameters
    ----------
    source : Path or None
        See `mlpot.config.train_file.read_train_config`.
    options : nested mapping
        Values of command-line options, by section; None where an option was not given.
    overrides : sequence of str
        ``section.key=value``.
    resume : bool
    max_time : str or None
        Duration such as ``30m``.

    Returns
    -------
    int
        Exit status: 0, or `UNFINISHED_STATUS` after an early stop.
    """
    if source is None:
        raise ConfigError("expected a YAML configuration or a data file; `mlpot train --example` prints one")
    given = {name: {k: str(v) for k, v in section.items() if v is not None} for name, section in options.items()}
    config = read_train_config(source, overrides, given)
    longest = None if max_time is None else parse_duration(max_time)
    console = Console(stderr=True)
    committee = config.training.committee
    if committee is not None and committee.kind == "deep" and committee.member is None:
        return _train_deep(config, resume, longest, console)
    with TrainingDisplay(console) as display:
        result = train(config, resume=resume, max_time=longest, observer=display)
    place = f"epoch {result.epochs}, step {result.steps}, {result.wall_time:.0f} s"
    if result.stopped is not None:
        console.print(
            f"stopped ({result.stopped}) at {place}; the checkpoint and the model so far are in {result.folder}\n"
            f"continue with: mlpot train {result.folder} --resume",
            highlight=False,
            soft_wrap=True,
        )
        return UNFINISHED_STATUS
    errors = describe_errors(result.validation) if result.validation else "not validated"
    console.print(f"done: {place}; {errors}\n{result.model}", highlight=False, soft_wrap=True)
    return 0


def _train_deep(config: TrainConfig, resume: bool, max_time: float | None, console: Console) -> int:
    model = train_members(config, resume=resume, max_time=max_time, observer=TrainingDisplay(console))
    if model is None:
        folder = config.run.output
        console.print(f"stopped; continue with the same command and --resume; members are in {folder}", highlight=False)
        return UNFINISHED_STATUS
    console.print(f"done: {model}", highlight=False, soft_wrap=True)
    return 0
