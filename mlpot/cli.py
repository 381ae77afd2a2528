"""The `mlpot` command: each function is one command; the logic lives in the modules it calls."""

import typer

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__.split(":")[0])
