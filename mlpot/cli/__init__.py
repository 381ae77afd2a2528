"""The command `mlpot`: one file per command, with everything that prints.

Command modules import only typer and rich when they are loaded; each command imports what it runs.
"""

from mlpot.cli.app import app

__all__ = ["app"]
