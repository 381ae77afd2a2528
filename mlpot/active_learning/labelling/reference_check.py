"""Check that repeats a calculation with a known label: a changed environment shows as a changed energy.

It detects replaced pseudopotentials, another version of the code or an edited input in a loop that runs for weeks.
"""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from mlpot.active_learning.calculation.files import read_json
from mlpot.active_learning.calculation.processes import kill_marked
from mlpot.active_learning.calculation.task import RESULT, Outcome, Task, write_task
from mlpot.active_learning.config import LabelSettings
from mlpot.active_learning.store.store import Store


@dataclass(frozen=True)
class ReferenceCheck:
    """Checks of one kind of settings.

    Attributes
    ----------
    session : int
        Of the driver; each driver on the same store has its own checks.
    """

    store: Store
    settings: LabelSettings
    settings_id: str
    session: int

    @property
    def folder(self) -> Path:
        """Folder in which the check runs; one at a time."""
        return self.store.work_folder / f"{self._name}-{self.session}"

    @property
    def _name(self) -> str:
        return f"check-{self.settings_id[:16]}"

    def due(self) -> bool:
        """Whether there are enough new labels since the last check, or a failed one must be repeated."""
        labels, checked = self._n_labels(), self._n_checked()
        halted = self.store.jobs.halted(self.settings_id)
        if halted is not None and halted[0] == "check":
            return True
        return self.settings.check_every > 0 and labels - checked >= self.settings.check_every

    def prepare(self) -> Path:
        """Make the task folder of a check, and remove those of dead drivers."""
        for left in self.store.work_folder.glob(f"{self._name}-*"):
            if self.store.jobs.is_over(int(left.name.rpartition("-")[2])):
                kill_marked(left)
                shutil.rmtree(left, ignore_errors=True)
        write_task(self.folder, Task(self.store.labelled_job(self._reference()).atoms, self.settings))
        return self.folder

    def conclude(self) -> Outcome | None:
        """Compare the energy with the label, and halt the settings if it differs; None without a result."""
        result = read_json(self.folder / RESULT)
        shutil.rmtree(self.folder, ignore_errors=True)
        if result is None:
            return None
        outcome = Outcome(result["state"], result["reason"], result["values"])
        if outcome.state == "unusable":
            return outcome
        reference = self.store.labelled_job(self._reference())
        computed = outcome.values.get("energy", float("nan"))
        difference = (computed - reference.label.energy) / len(reference.atoms)
        passed = abs(difference) <= self.settings.check_tolerance
        reason = (
            f"the reference structure {reference.job.structure_id[:12]} now has an energy that differs by "
            f"{difference:.3g} eV/atom from its label, expected less than {self.settings.check_tolerance:g}: "
            "version, pseudopotentials or input of the code may have changed. Restore them, or use another store"
            if outcome.state == "done"
            else f"the reference structure {reference.job.structure_id[:12]} cannot be computed any more: "
            f"{outcome.reason}"
        )
        self._keep(reference.job.id, difference if outcome.state == "done" else 0.0, passed, reason)
        return outcome

    def _keep(self, job: str, difference: float, passed: bool, reason: str) -> None:
        with self.store.database.transaction():
            self.store.database.write(
                "INSERT INTO checks (job_id, n_labels, difference, passed, created) VALUES (?, ?, ?, ?, ?)",
                (job, self._n_labels(), difference, passed, time.time()),
            )
            if passed:
                self.store.history.note(
                    "check", f"the reference energy is the same within {abs(difference):.2g} eV/atom", job
                )
                halted = self.store.jobs.halted(self.settings_id)
                if halted is not None and halted[0] == "check":  # a check ends no other halt
                    self.store.jobs.resume(self.settings_id)
            else:
                self.store.jobs.halt(self.settings_id, "check", reason)

    def _n_labels(self) -> int:
        return int(
            self.store.database.number(
                "SELECT count(*) FROM labels l JOIN jobs j ON j.id = l.job_id WHERE j.settings_id = ?",
                (self.settings_id,),
            )
        )

    def _n_checked(self) -> int:
        return int(
            self.store.database.number(
                "SELECT max(c.n_labels) FROM checks c JOIN jobs j ON j.id = c.job_id "
                "WHERE j.settings_id = ? AND passed",
                (self.settings_id,),
            )
        )

    def _reference(self) -> str:
        """Job of the least expensive of the first labels: the same for all checks."""
        rows = self.store.database.rows(
            "SELECT l.job_id, l.seconds FROM labels l JOIN jobs j ON j.id = l.job_id WHERE j.settings_id = ? "
            "ORDER BY l.sequence LIMIT ?",
            (self.settings_id, max(1, self.settings.check_every)),
        )
        return str(min(rows, key=lambda row: row["seconds"])["job_id"])
