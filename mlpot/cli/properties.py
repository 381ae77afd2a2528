"""`mlpot properties`: all properties of one crystal with one potential, as a table, a JSON file and a picture."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mlpot.cli.options import Device, ModelName
from mlpot.running.outputs import check_output_folder
from mlpot.running.progress import progress_bar

if TYPE_CHECKING:
    from mlpot.properties.overview import Results


def properties(
    model: ModelName,
    structure: Annotated[str, typer.Option(help="a file, or FORMULA:PROTOTYPE:LATTICE_CONSTANT as in Si:diamond:5.43")],
    output: Annotated[Path, typer.Option(help="folder of the results")] = Path("properties"),
    only: Annotated[list[str], typer.Option(help="e.g. elastic; may be given several times")] = [],
    device: Device = "cpu",
) -> None:
    """Compute properties of a crystal: lattice, elasticity, phonons, vacancies, surfaces, dimers; status 1 if none."""
    import mlpot
    from mlpot.errors import MLPotError
    from mlpot.properties.crystal import structure_from
    from mlpot.properties.overview import compute_properties, plot_properties, write_json

    check_output_folder(output)
    console = Console()
    calculator = mlpot.load(model, device=device, precision="double")
    with progress_bar(console) as update:
        results = compute_properties(
            structure_from(structure),
            calculator,
            only=only,
            on_property=lambda name, done, total: update(description=name, completed=done, total=total),
        )
    output.mkdir(parents=True, exist_ok=True)
    console.print(properties_table(results, structure))
    heading = {"model": calculator.parameters["path"], "sha256": calculator.sha256, "structure": structure}
    write_json(heading, results, output / "properties.json")
    plot_properties(results, output / "properties.png")
    console.print(f"written to {output}/properties.json and properties.png", highlight=False, soft_wrap=True)
    raise typer.Exit(int(all(isinstance(result, MLPotError) for result in results.values())))


def properties_table(results: "Results", structure: str) -> Table:
    """Table of all results; `structure` is for the title."""
    from mlpot.errors import MLPotError

    table = Table(title=f"properties of {structure}")
    table.add_column("")
    table.add_column("value", justify="right", overflow="fold")
    table.add_column("unit")
    for name, result in results.items():
        if isinstance(result, MLPotError):
            table.add_row(name, f"[yellow]{escape(str(result))}[/]", "")
        else:
            for row in result.rows():
                table.add_row(*map(escape, row))
        table.add_section()
    return table
