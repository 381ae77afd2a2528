"""Export of labels to extended XYZ or an ASE database, with the provenance of each structure in `atoms.info`."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import ase.db
import ase.io
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from mlpot.active_learning.store.records import LabelledJob
from mlpot.active_learning.store.store import Store
from mlpot.data.store import TO_VOIGT
from mlpot.errors import StoreError
from mlpot.running.outputs import check_output_file

PREFIX = "active_"
Part = Literal["train", "held_out"]


def export_labels(store: Store, target: Path, settings: str | None = None, part: Part | None = None) -> int:
    """Write labels to a new file, and return their number. The file appears when it is complete.

    Parameters
    ----------
    store : Store
    target : Path
        ``*.extxyz``, ``*.xyz`` or ``*.db``; must not exist.
    settings : str, optional
        Beginning of the hash of the settings; required if the store has labels of several.
    part : str, optional
        ``train``, or ``held_out`` (never trained on by the loop); None: both.

    Raises
    ------
    StoreError
        No labels, or labels of several settings, which must not be mixed.
    OutputError
        Another file format, a file that exists, or a folder that is missing or cannot be written.
    """
    check_output_file(target, (".extxyz", ".xyz", ".db"), overwrite=False)
    chosen = _settings(store, settings or "")
    partial = target.with_name(f".partial-{target.name}")
    partial.unlink(missing_ok=True)
    try:
        labels = (labelled_atoms(one) for one in store.labelled(chosen))
        count = _write(partial, (one for one in labels if part in (None, one.info[PREFIX + "part"])))
        if count == 0:
            raise StoreError(f"{store.path} has no labels of the part {part} yet")
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)
    return count


def labelled_atoms(labelled: LabelledJob) -> Atoms:
    """Atoms with the label as results of a calculator and with the provenance in `info`."""
    atoms, label = labelled.atoms, labelled.label
    results: dict[str, Any] = {label.energy_kind: label.energy, "energy": label.energy, "forces": label.forces}
    if label.stress is not None:
        results["stress"] = label.stress[TO_VOIGT]
    provenance = {
        "structure": labelled.job.structure_id,
        "job": labelled.job.id,
        "settings": labelled.job.settings_id,
        "iteration": labelled.job.iteration,
        "part": "held_out" if labelled.held_out else "train",
        "code": labelled.settings["code"],
        "code_version": label.code_version,
        "energy_kind": label.energy_kind,
        "attempt": label.attempt,
        "seconds": round(label.seconds, 3),
        "raw_sha256": label.raw_sha256 or "",
        "origin": json.dumps(labelled.origin),
    }
    # Of a trajectory also its initial state: "random_packing trajectory".
    names = [labelled.origin[key] for key in ("start", "kind") if key in labelled.origin]
    atoms.info = {"config_type": " ".join(names) or "default"}
    atoms.info |= {PREFIX + key: value for key, value in provenance.items()}
    atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms


def _write(path: Path, frames: Iterator[Atoms]) -> int:
    count = 0
    if path.suffix == ".db":
        with ase.db.connect(path, type="db", use_lock_file=False) as database:
            for atoms in frames:
                database.write(atoms, data={"info": atoms.info})
                count += 1
        return count
    with path.open("w", encoding="utf-8") as file:
        for atoms in frames:
            ase.io.write(file, atoms, format="extxyz")
            count += 1
    return count


def _settings(store: Store, name: str) -> str:
    """Full hash of the settings with labels whose hash begins with `name`."""
    rows = store.database.rows(
        "SELECT j.settings_id, count(*) AS n FROM labels l JOIN jobs j ON j.id = l.job_id "
        "WHERE substr(j.settings_id, 1, ?) = ? GROUP BY j.settings_id",
        (len(name), name),
    )
    if not rows:
        raise StoreError(f"{store.path} holds no labels" + (f" of settings {name}" if name else " yet"))
    if len(rows) > 1:
        listed = ", ".join(f"{row['settings_id'][:12]} ({row['n']} labels)" for row in rows)
        raise StoreError(
            f"{store.path} holds labels of several settings, which must not be mixed: name one of {listed}"
        )
    return str(rows[0]["settings_id"])
