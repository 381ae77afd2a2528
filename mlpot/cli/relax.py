"""`mlpot relax`: relax the structure in a file, with a progress bar and a table of the result."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.console import Console
from rich.table import Table

from mlpot.cli.options import Device, ModelName, PrecisionOption, print_engine
from mlpot.running.progress import progress_bar

if TYPE_CHECKING:
    from mlpot.calculator import MLPotCalculator
    from mlpot.simulation import RelaxResult


def relax(
    model: ModelName,
    source: Annotated[Path, typer.Argument(help="structure: any file that ASE reads, the last frame is used")],
    target: Annotated[Path, typer.Argument(help="where to write the relaxed structure")],
    fmax: Annotated[float, typer.Option(help="largest force that may remain, eV/A")] = 0.01,
    cell: Annotated[bool, typer.Option("--cell", help="relax the cell too")] = False,
    pressure: Annotated[float, typer.Option(help="external pressure, GPa; with --cell")] = 0.0,
    optimizer: Annotated[str, typer.Option(help="lbfgs, bfgs or fire")] = "lbfgs",
    steps: Annotated[int, typer.Option(help="largest number of steps")] = 500,
    device: Device = "cpu",
    precision: PrecisionOption = None,
) -> None:
    """Relax a structure; status 1 where it does not converge."""
    import mlpot

    calculator = mlpot.load(model, device=device, precision=cast(Any, precision))
    options: dict[str, Any] = {"fmax": fmax, "cell": cell, "pressure": pressure, "optimizer": optimizer}
    raise typer.Exit(int(not relax_file(calculator, source, target, Console(), steps=steps, **options).converged))


def relax_file(
    calculator: "MLPotCalculator",
    source: Path,
    target: Path,
    console: Console,
    *,
    fmax: float,
    steps: int,
    **options: Any,  # noqa: ANN401  # those of `mlpot.simulation.relax`
) -> "RelaxResult":
    """Relax the last structure of a file, write the result, print a table."""
    from mlpot.simulation import relax
    from mlpot.simulation.frames import check_structure_file, read_structure, write_structure

    print_engine(calculator, console)
    atoms = read_structure(source)
    check_structure_file(target, atoms)
    atoms.calc = calculator
    with progress_bar(console, "relax", steps) as update:
        result = relax(
            atoms,
            fmax=fmax,
            steps=steps,
            on_step=lambda step, force: update(completed=step, description=f"fmax {force:.4f} eV/A"),
            **options,
        )
    write_structure(target, result.atoms)
    console.print(relax_table(result, target, fmax))
    return result


def relax_table(result: "RelaxResult", target: Path, fmax: float) -> Table:
    """Table of a relaxation."""
    n_atoms = max(len(result.atoms), 1)
    table = Table(title="relaxation", show_header=False)
    table.add_row("converged", f"{'yes' if result.converged else 'NO'}, {result.steps} steps")
    table.add_row("largest force", f"{result.max_force:.5f} eV/A (limit {fmax:g})")
    table.add_row("energy", f"{result.energy:.6f} eV, {result.energy / n_atoms:.6f} eV/atom")
    table.add_row("energy change", f"{result.energy_change:.6f} eV")
    if result.atoms.pbc.all():
        table.add_row("pressure", f"{result.pressure:.4f} GPa")
        table.add_row("volume", f"{result.volume:.4f} A^3, {result.volume / n_atoms:.4f} A^3/atom")
    table.add_row("written to", str(target))
    return table
