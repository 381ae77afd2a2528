"""Store of active learning: structures, settings, jobs, labels, models, selections, events, in one SQLite file.

A job is identified by the hash of a canonical structure and of the settings that determine its label, so no calculation
is requested twice. A label is written in one transaction with the state of its job. Compressed outputs are in
``<name>.raw`` beside the file; ``<name>.work`` holds running calculations.
"""

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from mlpot.active_learning.store.database import Database
from mlpot.active_learning.store.history import History
from mlpot.active_learning.store.identity import (
    canonical_atoms,
    canonical_json,
    label_hash,
    settings_id,
    structure_id,
)
from mlpot.active_learning.store.jobs import JobQueue, job_of_row
from mlpot.active_learning.store.records import Label, LabelledJob
from mlpot.active_learning.store.rows import LABEL_COLUMNS, PBC_BITS, as_bytes, atoms_of_row, has_changed, label_of_row
from mlpot.active_learning.store.steps import Steps
from mlpot.data.structure import LabelledStructure
from mlpot.errors import StoreError
from mlpot.running.outputs import check_output_file


class Store:
    """A store on disk. Several processes of one machine may use it at once.

    Parameters
    ----------
    path : str or Path
        ``*.db``: the folders beside it are named like it, without this ending.
    create : bool
        Make a missing store.

    Attributes
    ----------
    jobs : JobQueue
        Calculations and the processes that run them.
    history : History
        Selections, models, events.
    steps : Steps
        Steps of the loop.

    Raises
    ------
    StoreError
        A file that is missing, not a store, of another version, or damaged; a new one with another ending.
    """

    def __init__(self, path: str | Path, *, create: bool = False) -> None:
        self.path = Path(path).absolute()
        if create and self.path.suffix != ".db" and not self.path.exists():
            raise StoreError(f"the name of a store ends in .db, got {self.path.name}: write {self.path.name}.db")
        self.database = Database(self.path, create=create)
        self.history = History(self.database)
        self.jobs = JobQueue(self.database, self.history)
        self.steps = Steps(self.database)

    @property
    def raw_folder(self) -> Path:
        """Folder of the compressed outputs of the DFT code, one file for each label."""
        return self.path.with_suffix(".raw")

    @property
    def model_folder(self) -> Path:
        """Folder of the potentials and of their training runs."""
        return self.path.with_suffix(".models")

    @property
    def work_folder(self) -> Path:
        """Folder with one folder for each running calculation."""
        return self.path.with_suffix(".work")

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def back_up(self, target: Path) -> None:
        """Copy the file, also while a loop runs on it; the folders beside it are not copied.

        Parameters
        ----------
        target : Path
            ``*.db``; must not exist.

        Raises
        ------
        OutputError
            Another name, a file that exists, or a folder that is missing or cannot be written.
        """
        check_output_file(target, (".db",), overwrite=False)
        self.database.back_up(target)

    def close(self) -> None:
        """Close the file."""
        self.database.close()

    # --- structures and settings

    def add_structure(self, atoms: Atoms, origin: Mapping[str, Any] | None = None) -> str:
        """Add a structure, and return its hash; one that is in the store already keeps its first origin.

        Parameters
        ----------
        atoms : ase.Atoms
        origin : mapping
            Plain values: how it was made.
        """
        canonical = canonical_atoms(atoms)
        identity = structure_id(canonical)
        self.database.write(
            "INSERT OR IGNORE INTO structures VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                identity,
                canonical.get_chemical_formula(),
                len(canonical),
                np.ascontiguousarray(canonical.numbers, dtype="<i8").tobytes(),
                as_bytes(canonical.positions),
                as_bytes(canonical.cell.array),
                int(canonical.pbc @ PBC_BITS),
                *(
                    as_bytes(canonical.get_array(name)) if canonical.has(name) else None
                    for name in ("initial_magmoms", "initial_charges")
                ),
                canonical_json(dict(origin or {})),
                time.time(),
            ),
        )
        return identity

    def structure(self, identity: str) -> Atoms:
        """Structure of a hash.

        Raises
        ------
        StoreError
            Not in the store, or changed in the file since it was added.
        """
        row = self.database.row("SELECT * FROM structures WHERE id = ?", (identity,))
        if row is None:
            raise StoreError(f"{self.path} has no structure {identity}")
        atoms = atoms_of_row(row)
        if structure_id(atoms) != identity:
            raise StoreError(
                f"structure {identity[:12]} in {self.path} has changed since it was stored: restore the store from a "
                "backup"
            )
        return atoms

    def add_settings(self, content: Mapping[str, Any]) -> str:
        """Add settings, code and parameters as plain values, and return their hash."""
        identity = settings_id(content)
        self.database.write(
            "INSERT OR IGNORE INTO settings (id, content, created) VALUES (?, ?, ?)",
            (identity, canonical_json(content), time.time()),
        )
        return identity

    # --- labels

    def add_label(self, job: str, label: Label) -> bool:
        """Add a label and close its job, in one transaction; both are on the disk when this returns.

        Parameters
        ----------
        job : str
            Hash of the job.
        label : Label

        Returns
        -------
        new : bool
            False if the job has a label already; the first one stays.

        Raises
        ------
        DataError
            Values that are not finite or of a wrong shape.
        """
        with self.database.transaction():
            row = self.database.row(
                "SELECT s.* FROM structures s JOIN jobs j ON j.structure_id = s.id WHERE j.id = ?", (job,)
            )
            if row is None:
                raise StoreError(f"{self.path} has no job {job}")
            checked = LabelledStructure(atoms_of_row(row), label.energy, label.forces, label.stress)
            new = self._insert_label(job, label, checked)
            self.jobs.finish(job, "done" if new else "done already", label.seconds)
        self.database.checkpoint()
        return new

    def _insert_label(self, job: str, label: Label, checked: LabelledStructure) -> bool:
        energy, seconds = label.energy + 0.0, label.seconds + 0.0  # SQLite does not keep the sign of zero
        forces = np.asarray(checked.forces)
        stored = replace(label, energy=energy, forces=forces, stress=checked.stress, seconds=seconds)
        changed = self.database.write(
            f"INSERT INTO labels (job_id, sequence, created, sha256, {LABEL_COLUMNS}) "
            "SELECT ?, coalesce(max(sequence), 0) + 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM labels WHERE true "
            "ON CONFLICT (job_id) DO NOTHING",  # any other value that the table refuses is an error
            (
                job,
                time.time(),
                label_hash(job, stored),
                stored.energy,
                stored.energy_kind,
                as_bytes(stored.forces),
                None if stored.stress is None else as_bytes(stored.stress),
                stored.attempt,
                stored.seconds,
                stored.host,
                stored.code_version,
                stored.raw_file,
                stored.raw_sha256,
            ),
        )
        return changed == 1

    def label(self, job: str) -> Label | None:
        """Label of a job, or None.

        Raises
        ------
        StoreError
            The label has changed in the file since it was added.
        """
        row = self.database.row(f"SELECT job_id, sha256, {LABEL_COLUMNS} FROM labels WHERE job_id = ?", (job,))
        if row is not None and has_changed(row):
            raise StoreError(
                f"the label of job {job[:12]} in {self.path} has changed since it was stored: restore the store from a "
                "backup, or discard this label with `mlpot active retry` and compute it again with `mlpot active run`"
            )
        return None if row is None else label_of_row(row)

    def discard_changed_labels(self) -> int:
        """Delete the labels that have changed in the file, let their jobs wait again, and return their number."""
        rows = self.database.rows(f"SELECT job_id, sha256, {LABEL_COLUMNS} FROM labels")
        changed = [row["job_id"] for row in rows if has_changed(row)]
        with self.database.transaction():
            for job in changed:
                for table in ("model_labels", "checks", "labels"):
                    self.database.write(f"DELETE FROM {table} WHERE job_id = ?", (job,))
                self.jobs.reopen(job, "its label had changed in the file")
        return len(changed)

    def labelled(self, settings: str | None = None) -> Iterator[LabelledJob]:
        """All labels, optionally of one kind of settings, in the order in which they were added."""
        condition, values = ("WHERE j.settings_id = ?", (settings,)) if settings else ("", ())
        jobs = self.database.rows(
            f"SELECT j.id FROM labels l JOIN jobs j ON j.id = l.job_id {condition} ORDER BY l.sequence", values
        )
        return (self.labelled_job(row["id"]) for row in jobs)

    def labelled_job(self, job: str) -> LabelledJob:
        """Label of a job with its structure, settings and provenance.

        Raises
        ------
        StoreError
            No label of that job.
        """
        label = self.label(job)
        if label is None:
            raise StoreError(f"{self.path} has no label of job {job}")
        row = self.database.rows(
            "SELECT j.*, s.content, t.origin, EXISTS (SELECT 1 FROM selections c WHERE c.structure_id = j.structure_id "
            "AND c.chosen AND json_extract(c.details, '$.part') = 'held_out') AS held_out FROM jobs j "
            "JOIN settings s ON s.id = j.settings_id JOIN structures t ON t.id = j.structure_id WHERE j.id = ?",
            (job,),
        )[0]
        return LabelledJob(
            job_of_row(row),
            self.structure(row["structure_id"]),
            label,
            json.loads(row["content"]),
            json.loads(row["origin"]),
            bool(row["held_out"]),
        )

    def add_jobs(self, structures: Iterable[str], settings: str, *, iteration: int = 0, priority: float = 0.0) -> int:
        """Request labels of structures, see `JobQueue.add`, and return the number of new jobs."""
        with self.database.transaction():
            new = [self.jobs.add(one, settings, iteration=iteration, priority=priority)[1] for one in structures]
        return sum(new)
