"""`mlpot build-torch-engine`: compile the torch engine of LAMMPS."""

import typer


def build_torch_engine() -> None:
    """Compile the engine that runs models in LAMMPS with the torch of this environment; needed once."""
    from mlpot.lammps.build_torch_engine import build

    typer.echo("compiling, about a minute ...")
    typer.echo(f"ready: {build()}")
