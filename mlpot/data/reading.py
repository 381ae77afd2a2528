"""Files and objects of other packages to labelled structures: the entrance of the data flow.

`read_structures` returns a sequence: in memory for text files and objects, on disk (`store.StructureStore`) for
ASE databases. Everything behind it works with ``Sequence[LabelledStructure]`` alone.
"""

import bz2
import gzip
import io
import itertools
import lzma
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, overload

import ase.io
import ase.io.formats
from ase import Atoms
from ase.io.extxyz import read_xyz

from mlpot.data.label_report import LabelReport
from mlpot.data.labels import LabelFinder, label_keys
from mlpot.data.outcar import complete_frames, incomplete_steps
from mlpot.data.store import DATABASES, StructureStore, iterate_database, refuse_what_is_no_file
from mlpot.data.structure import LabelledStructure
from mlpot.errors import DataError

OPENERS: dict[str, Callable[..., Any]] = {".xz": lzma.open, ".gz": gzip.open, ".bz2": bz2.open}


class StructureList(Sequence[LabelledStructure]):
    """Structures in memory, with the account of their labels.

    Attributes
    ----------
    report : LabelReport
    """

    def __init__(self, structures: Iterable[LabelledStructure], report: LabelReport) -> None:
        self._structures = list(structures)
        self.report = report

    def __len__(self) -> int:
        return len(self._structures)

    @overload
    def __getitem__(self, index: int) -> LabelledStructure: ...
    @overload
    def __getitem__(self, index: slice) -> list[LabelledStructure]: ...
    def __getitem__(self, index: int | slice) -> LabelledStructure | list[LabelledStructure]:
        return self._structures[index]

    def __iter__(self) -> Iterator[LabelledStructure]:
        return iter(self._structures)


def read_structures(
    source: object,
    *,
    index: str | int | slice = ":",
    energy_key: str | None = None,
    forces_key: str | None = None,
    stress_key: str | None = None,
    virial_key: str | None = None,
    group_key: str = "config_type",
    required: Sequence[str] = (),
    strict: bool = True,
) -> StructureList | StructureStore:
    """Structures with their labels, and an account of where the labels come from.

    Parameters
    ----------
    source : path, ase.Atoms, pymatgen Structure or Molecule, or a sequence of these
        Files: extended XYZ (also .xz, .gz, .bz2), ASE database (.db, not loaded into memory), anything that
        `ase.io.read` supports.
    index : str, int or slice
        Frames to take, in ASE's notation.
    energy_key, forces_key, stress_key, virial_key : str
        Key of a label. Without it, the calculator's results and then the usual names are tried
        (`labels.USUAL_KEYS`); a free energy is preferred to an energy. A named label must be in every frame, but
        for forces on a lone atom and the stress of what is not periodic. Virials become ``stress = -virial / volume``.
    group_key : str
        Entry of `info` that becomes the config_type.
    required : sequence of {"energy", "forces", "stress"}
        Labels that every frame must have.
    strict : bool
        Raise on malformed labels; otherwise they become findings of the report and the label is left out.

    Returns
    -------
    StructureList or StructureStore
        A ``Sequence[LabelledStructure]`` with the attribute ``report``.

    Raises
    ------
    DataError
        Nothing to read, an unreadable file, a requested label that is missing, a malformed label.

    Examples
    --------
    >>> from mlpot.model_file.registry import data_folder
    >>> structures = read_structures(data_folder("Si-dft") / "test.extxyz.xz", required=["energy", "forces"])
    >>> len(structures), structures[0].forces.shape
    (26, (2, 3))
    """
    finder = LabelFinder(label_keys(energy_key, forces_key, stress_key, virial_key), required, group_key)
    if isinstance(source, str | Path) and Path(source).suffix in DATABASES:
        return StructureStore(source, index=index, finder=finder, strict=strict)
    structures = [finder.labelled(atoms) for atoms in iterate_atoms(source, index, finder.report)]
    if not structures:
        raise DataError(f"expected at least one structure in {source!r} (index {index!r}), got none")
    return StructureList(structures, finder.finish(strict=strict))


def iterate_atoms(source: object, index: str | int | slice = ":", report: LabelReport | None = None) -> Iterator[Atoms]:
    """ASE atoms of any accepted source, one by one.

    Parameters
    ----------
    source, index
        As in `read_structures`.
    report : LabelReport, optional
        Receives warnings about incomplete files.

    Yields
    ------
    ase.Atoms
    """
    if isinstance(source, str | Path):
        yield from _read_file(Path(source), index, report)
    elif isinstance(source, Atoms):
        yield source
    elif hasattr(source, "to_ase_atoms"):
        yield source.to_ase_atoms(msonable=False)
    elif isinstance(source, Iterable):
        yield from _pick((atoms for item in source for atoms in iterate_atoms(item, report=report)), index)
    else:
        raise DataError(
            f"expected a path, ase.Atoms, pymatgen Structure or a sequence of these, got {type(source).__name__}"
        )


def _pick(items: Iterable[Any], index: str | int | slice) -> Iterator[Any]:
    """Items by ASE's index notation; one by one where that is possible."""
    parsed: int | slice = ase.io.formats.string2index(index) if isinstance(index, str) else index
    if isinstance(parsed, int):
        parsed = slice(parsed, parsed + 1 or None)
    if min(parsed.start or 0, parsed.stop or 0, parsed.step or 1) < 0:
        return iter(list(items)[parsed])
    return itertools.islice(items, parsed.start, parsed.stop, parsed.step)


def _read_file(path: Path, index: str | int | slice, report: LabelReport | None) -> Iterator[Atoms]:
    refuse_what_is_no_file(path)
    opener = OPENERS.get(path.suffix, open)
    inner = path.with_suffix("") if path.suffix in OPENERS else path
    try:
        if path.suffix in DATABASES:
            yield from _pick(iterate_database(path), index)
        elif inner.suffix in (".extxyz", ".xyz"):
            with opener(path, "rt") as handle:
                yield from _pick(_extxyz_frames(handle), index)
        elif path.name.startswith("OUTCAR") and inner == path:
            frames = list(complete_frames(path))
            if report is not None and (finding := incomplete_steps(path, len(frames))):
                report.add(finding)
            yield from _pick(frames, index)
        else:
            frames = ase.io.read(path, index)
            yield from [frames] if isinstance(frames, Atoms) else frames
    except (DataError, MemoryError):
        raise
    except Exception as error:  # ase's readers raise whatever their parsing runs into
        raise DataError(f"cannot read {path} as atomic structures: {type(error).__name__}: {error}") from error


def _extxyz_frames(handle: IO[str]) -> Iterator[Atoms]:
    """Frames of an extended XYZ file, one at a time.

    ASE's reader seeks, which takes minutes in a compressed file, so it gets each frame on its own.
    """
    line = 0
    while (header := handle.readline()).strip():
        if not header.strip().isdigit():
            raise DataError(f"line {line + 1} of {handle.name}: expected the number of atoms, got {header.strip()!r}")
        n_lines = int(header) + 1
        lines = list(itertools.islice(handle, n_lines))
        if len(lines) < n_lines or (not lines[-1].strip() and n_lines > 1):
            raise DataError(f"line {line + 1} of {handle.name}: the file ends inside of the last structure")
        yield next(read_xyz(io.StringIO(header + "".join(lines)), 0))
        line += n_lines + 1
