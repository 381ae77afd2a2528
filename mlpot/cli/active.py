"""Commands of active learning: `mlpot active ...`; the logic lives in `mlpot.active_learning`."""

from pathlib import Path
from typing import Annotated, Any, Literal, cast

import typer

active_app = typer.Typer(no_args_is_help=True, help="Learn actively: from a material and a DFT code to a potential.")
StorePath = Annotated[Path, typer.Argument(help="store of active learning, *.db")]


@active_app.command("run")
def active_run(config: Annotated[Path, typer.Argument(help="YAML; see docs/active.md")]) -> None:
    """Explore, select, label, learn, until a rule ends it; the same command goes on after whatever stopped it.

    Status 0: ended by its rules; 75: stopped before (Ctrl-C, time); 1: no labels can be computed, or an error.
    """
    from mlpot.running import tuned_process  # each command loads only what it needs

    tuned_process.restart_tuned(verbose=False)
    from mlpot.cli.active_run import run_command  # torch, after the restart

    raise typer.Exit(run_command(config))


@active_app.command("status")
def active_status(
    path: StorePath, live: Annotated[bool, typer.Option("--live", help="again and again, until Ctrl-C")] = False
) -> None:
    """Print what is done, what runs, what failed, what it cost, how much is left; status 1 where the run is halted."""
    from rich.console import Console  # each command loads only what it needs

    from mlpot.active_learning.store.store import Store
    from mlpot.cli.active_status import print_status

    with Store(path) as store:
        raise typer.Exit(print_status(store, Console(), live=live))


@active_app.command("report")
def active_report(
    path: StorePath, target: Annotated[Path, typer.Option("--output", help="PNG")] = Path("report.png")
) -> None:
    """Draw how the loop went: learning curve, error bars against errors, what was selected and why, cost."""
    from mlpot.active_learning.reporting.report import draw_report  # each command loads only what it needs
    from mlpot.active_learning.store.store import Store

    with Store(path) as store:
        draw_report(store, target)
    typer.echo(str(target))


@active_app.command("query")
def active_query(
    path: StorePath,
    state: Annotated[str | None, typer.Option(help="waiting, running, done or set_aside")] = None,
    formula: Annotated[str | None, typer.Option(help="as ASE writes it, e.g. Si8")] = None,
    refused: Annotated[bool, typer.Option("--refused", help="frames that were not sent to DFT, and why")] = False,
    limit: Annotated[int, typer.Option(help="rows")] = 50,
) -> None:
    """List calculations, the newest first."""
    from rich.console import Console  # each command loads only what it needs

    from mlpot.active_learning.store.store import Store
    from mlpot.cli.active_queries import print_jobs, print_refused

    with Store(path) as store:
        if refused:
            print_refused(store, Console(), limit)
        else:
            print_jobs(store, Console(), state=cast(Any, state), formula=formula, limit=limit)


@active_app.command("why")
def active_why(path: StorePath, structure: Annotated[str, typer.Argument(help="beginning of its hash")]) -> None:
    """Tell the history of a structure: where from, why chosen, what it cost, which model saw it first."""
    from rich.console import Console  # each command loads only what it needs

    from mlpot.active_learning.store.store import Store
    from mlpot.cli.active_queries import print_why

    with Store(path) as store:
        print_why(store, structure, Console())


@active_app.command("export")
def active_export(
    path: StorePath,
    target: Annotated[Path, typer.Argument(help="*.extxyz or *.db, must not exist")],
    settings: Annotated[str | None, typer.Option(help="beginning of their hash, where there are several")] = None,
    part: Annotated[
        Literal["train", "held_out"] | None, typer.Option(help="held_out: what the loop never trained on")
    ] = None,
) -> None:
    """Write labels with their provenance."""
    from mlpot.active_learning.store.export import export_labels  # each command loads only what it needs
    from mlpot.active_learning.store.store import Store

    with Store(path) as store:
        typer.echo(f"{export_labels(store, target, settings, part)} structures in {target}")


@active_app.command("retry")
def active_retry(path: StorePath) -> None:
    """Let calculations that were set aside wait again."""
    from mlpot.active_learning.store.store import Store  # each command loads only what it needs

    with Store(path) as store:
        typer.echo(f"{store.jobs.retry_set_aside()} calculations wait again")
