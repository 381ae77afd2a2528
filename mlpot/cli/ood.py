"""`mlpot ood`: measure how well error bars detect data outside of the training domain."""

from pathlib import Path
from typing import Annotated, Any

import typer


def ood(
    data: Annotated[list[Path], typer.Argument(help="labelled structures; one data set")],
    holdout: Annotated[str, typer.Option(help="temperature, composition, phase, pressure or config_type")] = "",
    value: Annotated[str | None, typer.Option(help="what to hold out; by default each in turn, or the highest")] = None,
    test: Annotated[Path | None, typer.Option(help="structures of another kind, instead of --holdout")] = None,
    output: Annotated[Path, typer.Option(help="folder of the results; a second call continues")] = Path("ood"),
    preset: Annotated[str, typer.Option(help="fast, balanced, accurate or max")] = "accurate",
    kind: Annotated[str, typer.Option(help="of the committee: shallow or deep")] = "shallow",
    members: Annotated[int, typer.Option(help="of the committee")] = 8,
    group_key: Annotated[str, typer.Option(help="key of the config_type")] = "config_type",
    settings: Annotated[list[str], typer.Option("--set", help="of the training: section.key=value")] = [],
) -> None:
    """Measure out-of-distribution detection by holding out one kind of structure."""
    from mlpot.ood import Settings, run_ood

    how: dict[str, Any] = {"preset": preset, "kind": kind, "members": members, "group_key": group_key}
    run_ood(data, Settings(holdout=holdout, value=value, test=test, overrides=tuple(settings), **how), output)
