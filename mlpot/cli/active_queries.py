"""`mlpot active query` and `why`: tables of jobs and refused frames, and the history of a structure."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mlpot.active_learning.store.records import JobState
from mlpot.active_learning.store.store import Store
from mlpot.cli.times import duration, moment
from mlpot.errors import StoreError

SHORT = 12


def print_jobs(store: Store, console: Console, *, state: JobState | None, formula: str | None, limit: int) -> None:
    """Print at most `limit` jobs, the newest first, optionally of one state or formula."""
    rows = store.database.rows(
        "SELECT j.*, t.formula, t.n_atoms, json_extract(t.origin, '$.kind') AS kind, l.energy, l.seconds, l.attempt "
        "FROM jobs j JOIN structures t ON t.id = j.structure_id LEFT JOIN labels l ON l.job_id = j.id "
        "WHERE (?1 IS NULL OR j.state = ?1) AND (?2 IS NULL OR t.formula = ?2) ORDER BY j.changed DESC LIMIT ?3",
        (state, formula, limit),
    )
    table = Table("structure", "formula", "kind", "state", "eV/atom", "attempt", "cost", "reason")
    for row in rows:
        energy = "" if row["energy"] is None else f"{row['energy'] / row['n_atoms']:.4f}"
        attempt = "" if row["attempt"] is None else str(row["attempt"])
        cost = "" if row["seconds"] is None else duration(row["seconds"])
        name = row["structure_id"][:SHORT]
        table.add_row(name, row["formula"], row["kind"] or "", row["state"], energy, attempt, cost, row["reason"] or "")
    console.print(table, markup=False)  # reasons may contain brackets


def print_refused(store: Store, console: Console, limit: int) -> None:
    """Print frames that were refused, with the reasons."""
    table = Table("structure", "iteration", "reason")
    for one in store.history.selections(chosen=False)[-limit:]:
        table.add_row(one.structure_id[:SHORT], str(one.iteration), one.reason)
    console.print(table, markup=False)


def print_why(store: Store, name: str, console: Console) -> None:
    """Print the history of a structure, by the beginning of its hash: origin, selection, runs, label, first model.

    Raises
    ------
    StoreError
        No structure, or several, with this beginning.
    """
    row = store.database.rows("SELECT * FROM structures WHERE id = ?", (find_structure(store, name),))[0]

    def show(text: str) -> None:
        console.print(text, markup=False, highlight=False)

    console.print(Text.assemble((row["formula"], "bold"), f" {row['id']}\nfrom: {row['origin']}"))
    for one in store.history.selections(row["id"]):
        decision = "chosen" if one.chosen else "refused"
        show(f"{decision} in iteration {one.iteration}: {one.reason} {dict(one.details)}")
    for job in store.database.rows("SELECT * FROM jobs WHERE structure_id = ?", (row["id"],)):
        show(f"label {job['state']}, settings {job['settings_id'][:SHORT]}")
        console.print(_runs(store, job["id"]), markup=False)
        if (label := store.label(job["id"])) is not None:
            show(
                f"{label.energy_kind} {label.energy:.6f} eV, attempt {label.attempt}, {duration(label.seconds)} on "
                f"{label.host}, {label.code_version}; outputs: {label.raw_file or 'not kept'}"
            )
        if (model := store.history.first_model_of(job["id"])) is not None:
            show(f"first trained on by {model['path']} of iteration {model['iteration']}")


def _runs(store: Store, job: str) -> Table:
    table = Table("run", "began", "outcome", "cost", "reason")
    for row in store.database.rows("SELECT * FROM runs WHERE job_id = ? ORDER BY run", (job,)):
        cost = "" if row["seconds"] is None else duration(row["seconds"])
        table.add_row(str(row["run"]), moment(row["began"]), row["outcome"] or "running", cost, row["reason"] or "")
    return table


def find_structure(store: Store, name: str) -> str:
    """Full hash of a structure from its beginning.

    Raises
    ------
    StoreError
        No structure, or several, with this beginning.
    """
    rows = store.database.rows("SELECT id FROM structures WHERE substr(id, 1, ?) = ? LIMIT 2", (len(name), name))
    if len(rows) != 1:
        many = "several structures" if rows else "no structure"
        raise StoreError(f"{many} of {store.path} begin with {name!r}: `mlpot active query` lists them")
    return str(rows[0]["id"])
