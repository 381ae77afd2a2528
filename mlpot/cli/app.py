"""The `mlpot` command: the list of its commands, and errors as one sentence."""

import errno
from typing import Any

import typer
from typer.core import TyperGroup

from mlpot.cli.active import active_app
from mlpot.cli.benchmark import benchmark
from mlpot.cli.build_torch_engine import build_torch_engine
from mlpot.cli.calibrate import calibrate
from mlpot.cli.check import check
from mlpot.cli.committee import committee_app
from mlpot.cli.data import data_app
from mlpot.cli.doctor import doctor
from mlpot.cli.evaluate import evaluate
from mlpot.cli.info import info
from mlpot.cli.md import md
from mlpot.cli.ood import ood
from mlpot.cli.properties import properties
from mlpot.cli.quickstart import quickstart
from mlpot.cli.relax import relax
from mlpot.cli.train import schema, train
from mlpot.errors import MLPotError


class _Commands(TyperGroup):
    """Ends with one sentence and status 1 after an error that the user can fix, on full disks and broken files, too."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401  # its type moves between versions of typer
        try:
            return super().invoke(ctx)
        except MLPotError as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(1) from error
        except OSError as error:
            if error.errno == errno.EPIPE or error.strerror is None:
                raise  # click ends without a message where the reader of a pipe has gone
            place = "" if error.filename is None else f"{error.filename}: "
            typer.echo(f"error: {place}{error.strerror}", err=True)
            raise typer.Exit(1) from error


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Train, use and check E(3)-equivariant interatomic potentials.",
)
COMMANDS = (
    *(train, schema, evaluate, info, relax, md, benchmark, properties, check),
    *(doctor, build_torch_engine, quickstart, calibrate, ood),
)
for command in COMMANDS:
    app.command()(command)
app.add_typer(committee_app, name="committee")
app.add_typer(active_app, name="active")
app.add_typer(data_app, name="data")
