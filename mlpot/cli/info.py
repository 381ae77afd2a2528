"""`mlpot info`: the manifest of a model file as a table or as JSON."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mlpot.cli.options import ModelName

if TYPE_CHECKING:
    from mlpot.model_file.manifest import Manifest


def info(
    model: ModelName, as_json: Annotated[bool, typer.Option("--json", help="print the manifest as JSON")] = False
) -> None:
    """Check a model file and print its architecture, elements, training and license."""
    from mlpot.model_file.registry import find_potential

    print_info(find_potential(model), as_json=as_json)


def print_info(path: Path, *, as_json: bool = False, console: Console | None = None) -> "Manifest":
    """Check a model file and print its manifest.

    Raises
    ------
    ModelFileError
        The file is missing, damaged or not a model.
    """
    from mlpot.model_file.manifest import read_manifest

    console = console or Console()
    manifest = read_manifest(path)
    if as_json:
        console.print_json(manifest.model_dump_json())
    else:
        console.print(manifest_table(manifest, path))
    return manifest


def manifest_table(manifest: "Manifest", path: Path) -> Table:
    """Table of a manifest; `path` is for the title."""
    table = Table(title=f"{path.name}, {path.stat().st_size / 1e3:.0f} kB, checksum correct", show_header=False)
    energies = zip(manifest.elements, manifest.reference_energies, strict=True)
    rows = {
        "made by": f"{manifest.creator}, file format {manifest.format_version}",
        "elements": ", ".join(manifest.elements),
        "cutoff": f"{manifest.cutoff:g} A",
        "layers": f"{manifest.n_layers}" + (" (strictly local)" if manifest.n_layers == 1 else " (message passing)"),
        "parameters": f"{manifest.n_parameters}",
        "trained in": "float64" if manifest.precision == "double" else "float32 (precision mixed)",
        "units": ", ".join(f"{quantity} {unit}" for quantity, unit in manifest.units.items()),
        "reference energies": ", ".join(f"{element} {energy:.4f} eV" for element, energy in energies),
        "license": manifest.license or "not stated",
    }
    for name, text in rows.items():
        table.add_row(name, escape(text))
    _add_section(table, "architecture", manifest.config.model_dump())
    _add_section(table, "training", manifest.training)
    return table


def _add_section(table: Table, name: str, entries: dict[str, Any]) -> None:
    table.add_section()
    if not entries:
        table.add_row(name, "nothing recorded")
    for key, value in entries.items():
        text = value if isinstance(value, str) else json.dumps(value, indent=1 if isinstance(value, dict) else None)
        table.add_row(f"{name}: {key}", escape(text))
