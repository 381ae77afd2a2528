"""Commands of active learning, `mlpot active ...`."""

from pathlib import Path
from typing import Annotated, Any, Literal, cast

import typer

active_app = typer.Typer(no_args_is_help=True, help="Active learning: from a material and a DFT code to a potential.")
StorePath = Annotated[Path, typer.Argument(help="store of active learning, *.db")]


@active_app.command("run")
def active_run(
    config: Annotated[Path | None, typer.Argument(help="YAML; see docs/active.md")] = None,
    settings: Annotated[list[str], typer.Option("--set", help="section.key=value, e.g. stop.labels=200")] = [],
    example: Annotated[bool, typer.Option("--example", help="print a commented configuration")] = False,
) -> None:
    """Explore, select, label, learn, until a rule ends the loop; the same command continues after any stop.

    Status 0: ended by a rule; 75: stopped before (Ctrl-C, time); 1: no labels can be computed, or an error.
    """
    from mlpot.running import tuned_process  # each command loads only what it needs

    if example:
        from mlpot.active_learning.config import example_loop_config

        typer.echo(example_loop_config(), nl=False)
        return
    if config is None:
        raise typer.BadParameter("expected a YAML file; `mlpot active run --example` prints one to start from")
    tuned_process.restart_tuned(verbose=False)
    from mlpot.cli.active_run import run_command  # torch, after the restart

    raise typer.Exit(run_command(config, settings))


@active_app.command("status")
def active_status(
    path: StorePath, live: Annotated[bool, typer.Option("--live", help="update until Ctrl-C")] = False
) -> None:
    """Print jobs, iterations, cost and latest events of a loop; status 1 if the run is halted."""
    from rich.console import Console  # each command loads only what it needs

    from mlpot.active_learning.store.store import Store
    from mlpot.cli.active_status import print_status

    with Store(path) as store:
        raise typer.Exit(print_status(store, Console(), live=live))


@active_app.command("report")
def active_report(
    path: StorePath, target: Annotated[Path, typer.Option("--output", help="PNG")] = Path("report.png")
) -> None:
    """Draw the course of a loop: learning curve, calibration, selected frames, cost."""
    from mlpot.active_learning.reporting.report import draw_report  # each command loads only what it needs
    from mlpot.active_learning.store.store import Store

    with Store(path) as store:
        draw_report(store, target)
    typer.echo(str(target))


@active_app.command("query")
def active_query(
    path: StorePath,
    state: Annotated[str | None, typer.Option(help="waiting, running, done or failed")] = None,
    formula: Annotated[str | None, typer.Option(help="as ASE writes it, e.g. Si8")] = None,
    refused: Annotated[bool, typer.Option("--refused", help="refused frames, with the reasons")] = False,
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
    """Print the history of a structure: origin, why it was chosen, cost, first model trained on it."""
    from rich.console import Console  # each command loads only what it needs

    from mlpot.active_learning.store.store import Store
    from mlpot.cli.active_queries import print_why

    with Store(path) as store:
        print_why(store, structure, Console())


@active_app.command("export")
def active_export(
    path: StorePath,
    target: Annotated[Path, typer.Argument(help="*.extxyz or *.db, must not exist")],
    settings: Annotated[str | None, typer.Option(help="beginning of their hash, if there are several")] = None,
    part: Annotated[
        Literal["train", "held_out"] | None, typer.Option(help="held_out: never trained on by the loop")
    ] = None,
) -> None:
    """Export labels with their provenance."""
    from mlpot.active_learning.labelling.export import export_labels  # each command loads only what it needs
    from mlpot.active_learning.store.store import Store

    with Store(path) as store:
        typer.echo(f"{export_labels(store, target, settings, part)} structures in {target}")


@active_app.command("retry")
def active_retry(path: StorePath) -> None:
    """Let failed calculations wait again, and those whose label has changed in the file."""
    from mlpot.active_learning.store.store import Store  # each command loads only what it needs

    with Store(path) as store:
        if changed := store.discard_changed_labels():
            typer.echo(f"{changed} labels had changed in the file and are discarded")
        typer.echo(f"{store.jobs.retry_failed() + changed} calculations wait again")


@active_app.command("backup")
def active_backup(
    path: StorePath, target: Annotated[Path, typer.Argument(help="new file, *.db, must not exist")]
) -> None:
    """Copy a store, also while its loop runs; a copy by other means may lack the latest data or be damaged."""
    from mlpot.active_learning.store.store import Store  # each command loads only what it needs

    with Store(path) as store:
        store.back_up(target)
        beside = " and ".join(one.name for one in (store.model_folder, store.raw_folder) if one.is_dir())
    typer.echo(f"{target}" + (f"; not copied: the folders {beside}" if beside else ""))
