"""`python -m mlpot` is the `mlpot` command."""

from mlpot.cli.app import app

if __name__ == "__main__":
    app()
