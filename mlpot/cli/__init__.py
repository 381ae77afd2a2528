"""The command `mlpot`."""

from mlpot.cli.app import app

__all__ = ["app"]
