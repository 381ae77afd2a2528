"""`mlpot data`: check reference data, convert them to a database."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from mlpot.data.labels import LabelFinder
    from mlpot.data.store import StructureStore
    from mlpot.data.structure import LabelledStructure

data_app = typer.Typer(no_args_is_help=True, help="Check and convert reference data.")
EnergyKey = Annotated[str | None, typer.Option(help="key of the energy, if not found by itself")]
ForcesKey = Annotated[str | None, typer.Option(help="key of the forces")]
StressKey = Annotated[str | None, typer.Option(help="key of the stress")]
VirialKey = Annotated[str | None, typer.Option(help="key of the virial")]
GroupKey = Annotated[str, typer.Option(help="key of the config_type")]


@data_app.command("check")
def data_check(
    files: Annotated[list[Path], typer.Argument(help="extended XYZ (also .xz, .gz), ASE database, ...; one data set")],
    energy_key: EnergyKey = None,
    forces_key: ForcesKey = None,
    stress_key: StressKey = None,
    virial_key: VirialKey = None,
    group_key: GroupKey = "config_type",
    strict: Annotated[bool, typer.Option("--strict", help="status 1 on warnings too")] = False,
) -> None:
    """Print what a data set holds and what is wrong with it; status 1 on errors."""
    keys = {"energy_key": energy_key, "forces_key": forces_key, "stress_key": stress_key, "virial_key": virial_key}
    raise typer.Exit(check_files(files, {**keys, "group_key": group_key}, strict=strict))


@data_app.command("convert")
def data_convert(
    source: Annotated[Path, typer.Argument(help="extended XYZ, ASE database, anything ASE reads")],
    target: Annotated[Path, typer.Argument(help="new ASE database, *.db")],
    energy_key: EnergyKey = None,
    forces_key: ForcesKey = None,
    stress_key: StressKey = None,
    virial_key: VirialKey = None,
    group_key: GroupKey = "config_type",
) -> None:
    """Write a data set to a database that training reads from disk: for sets larger than memory."""
    keys = {"energy_key": energy_key, "forces_key": forces_key, "stress_key": stress_key, "virial_key": virial_key}
    store = convert(source, target, keys, group_key)
    typer.echo(f"{len(store)} structures in {target}")


def check_files(
    files: Sequence[Path], keys: Mapping[str, str | None], *, strict: bool = False, console: Console | None = None
) -> int:
    """Print what a data set holds and what is wrong with it.

    Parameters
    ----------
    files : sequence of path
        Read as one data set.
    keys : mapping of str to str
        ``energy_key``, ``forces_key``, ``stress_key``, ``virial_key``, ``group_key`` of `read_structures`.
    strict : bool
        Warnings count as errors.
    console : rich.console.Console
        Where to print.

    Returns
    -------
    int
        Exit status: 1 if there are errors.
    """
    from mlpot.data.checks import check
    from mlpot.data.findings import findings_table
    from mlpot.data.reading import read_structures
    from mlpot.data.reference import elements_of, reference_energies
    from mlpot.data.summary import summarize
    from mlpot.errors import DataError

    console = console or Console()
    source = files[0] if len(files) == 1 else list(files)
    structures = read_structures(source, strict=False, **{key: value for key, value in keys.items() if value})
    console.print(structures.report.table(), summarize(structures), sep="\n")
    try:
        console.print(reference_energies(structures, elements_of(structures)))
    except DataError:
        console.print("no reference energies: see the findings")
    findings = check(structures)
    if findings:
        console.print(findings_table(findings, "findings"))
    counts = {severity: sum(f.severity == severity for f in findings) for severity in ("error", "warning")}
    console.print(f"{len(structures)} structures: {counts['error']} errors, {counts['warning']} warnings")
    return int(counts["error"] > 0 or (strict and counts["warning"] > 0))


def convert(
    source: Path, target: Path, keys: Mapping[str, str | None], group_key: str = "config_type"
) -> "StructureStore":
    """Settle the labels of a file once and write them to a database that training reads from disk.

    Parameters
    ----------
    source : path
        Read one structure at a time where it is extended XYZ or an ASE database.
    target : path
        ``*.db``, must not exist.
    keys : mapping of str to str
        ``energy_key``, ``forces_key``, ``stress_key``, ``virial_key`` of `read_structures`.
    group_key : str
        Entry of `info` that becomes the config_type.

    Returns
    -------
    StructureStore
    """
    from mlpot.data.labels import LabelFinder, label_keys
    from mlpot.data.store import write_store

    finder = LabelFinder(label_keys(**keys), group_key=group_key)
    return write_store(_labelled(source, finder), target, finder.report)


def _labelled(source: Path, finder: "LabelFinder") -> "Iterator[LabelledStructure]":
    from mlpot.data.reading import iterate_atoms
    from mlpot.errors import DataError

    for atoms in iterate_atoms(source):
        yield finder.labelled(atoms)
    if finder.report.n_frames == 0:
        raise DataError(f"expected at least one structure in {source}, got none")
    finder.finish(strict=True)
