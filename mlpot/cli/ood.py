"""`mlpot ood`: measure how well error bars detect data outside of the training domain."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table


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
    from mlpot.cli.training_display import TrainingDisplay
    from mlpot.ood import Settings, run_ood

    how: dict[str, Any] = {"preset": preset, "kind": kind, "members": members, "group_key": group_key}
    chosen = Settings(holdout=holdout, value=value, test=test, overrides=tuple(settings), **how)
    with TrainingDisplay(Console(stderr=True)) as display:
        results = run_ood(data, chosen, output, display)
    Console().print(findings_table(results))


def findings_table(results: dict[str, Any]) -> Table:
    """Table of the findings of all cases, which `mlpot.ood.run_ood` returns."""
    caption = "coverage of the 90 % interval; AUROC of the worst 5 % of the atoms, and of frames held out against known"
    table = Table(title="out of distribution", caption=caption)
    columns = "case", "", "coverage", "RMSE", "sigma", "AUROC 5 %", "frames: sigma", "distance", "missed", "by both"
    for name in columns:
        table.add_column(name, justify="left" if name in ("case", "") else "right")
    for case, found in results.items():
        for kind in ("known", "unknown"):
            quality = found[kind]
            row = [f"{100 * quality['coverage']['0.9']:.1f} %"]
            row += [f"{1e3 * quality[name]:.4g}" for name in ("rmse", "mean_sigma")]
            row.append(f"{quality['auroc']:.3f}")
            if kind == "unknown":
                row += [f"{found[name]:.3f}" for name in ("frames_by_sigma", "frames_by_distance")]
                row += [f"{100 * found[name]:.1f} %" for name in ("missed_by_sigma", "missed_by_both")]
            table.add_row(case if kind == "known" else "", "known" if kind == "known" else "held out", *row)
    return table
