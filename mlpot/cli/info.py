"""`mlpot info`: what a model file is and what it was trained on, from its manifest."""

import json
from pathlib import Path
from typing import Any

from ase.data import chemical_symbols
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mlpot.model_file.manifest import Manifest, read_manifest


def print_info(path: Path, *, as_json: bool = False, console: Console | None = None) -> Manifest:
    """Check a model file and print its manifest.

    Parameters
    ----------
    path : Path
    as_json : bool
        The manifest as it stands in the file.
    console : rich.console.Console, optional

    Returns
    -------
    Manifest

    Raises
    ------
    ModelFileError
        The file is missing, damaged or not a model.
    """
    console = console or Console()
    manifest = read_manifest(path)
    if as_json:
        console.print_json(manifest.model_dump_json())
    else:
        console.print(manifest_table(manifest, path))
    return manifest


def manifest_table(manifest: Manifest, path: Path) -> Table:
    """Table of a manifest.

    Parameters
    ----------
    manifest : Manifest
    path : Path
        For the title.

    Returns
    -------
    rich.table.Table
    """
    table = Table(title=f"{path.name}, {path.stat().st_size / 1e3:.0f} kB, checksum correct", show_header=False)
    energies = zip(manifest.atomic_numbers, manifest.reference_energies, strict=True)
    rows = {
        "made by": f"{manifest.creator}, file format {manifest.format_version}",
        "elements": ", ".join(manifest.elements),
        "cutoff": f"{manifest.cutoff:g} A",
        "layers": f"{manifest.n_layers}" + (" (strictly local)" if manifest.n_layers == 1 else " (message passing)"),
        "parameters": f"{manifest.n_parameters}",
        "trained in": "float64" if manifest.precision == "double" else "float32 (precision mixed)",
        "units": ", ".join(f"{quantity} {unit}" for quantity, unit in manifest.units.items()),
        "energies of the atoms": ", ".join(f"{chemical_symbols[z]} {energy:.4f} eV" for z, energy in energies),
        "licence": manifest.license or "not stated",
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
