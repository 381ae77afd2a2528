"""The work behind `mlpot active query` and `why`: tables of what the store holds."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mlpot.active_learning.reporting.times import duration, moment
from mlpot.active_learning.store.records import JobState
from mlpot.active_learning.store.store import Store
from mlpot.errors import StoreError

SHORT = 12


def print_jobs(store: Store, console: Console, *, state: JobState | None, formula: str | None, limit: int) -> None:
    """Print jobs, the newest first.

    Parameters
    ----------
    store : Store
    console : rich.console.Console
    state : str, optional
        Only jobs in this state.
    formula : str, optional
        Only structures with this formula.
    limit : int
        At most so many.
    """
    rows = store.database.rows(
        "SELECT j.*, t.formula, t.n_atoms, json_extract(t.origin, '$.kind') AS kind, l.energy, l.seconds, l.rung "
        "FROM jobs j JOIN structures t ON t.id = j.structure_id LEFT JOIN labels l ON l.job_id = j.id "
        "WHERE (?1 IS NULL OR j.state = ?1) AND (?2 IS NULL OR t.formula = ?2) ORDER BY j.changed DESC LIMIT ?3",
        (state, formula, limit),
    )
    table = Table("structure", "formula", "kind", "state", "eV/atom", "rung", "cost", "reason")
    for row in rows:
        energy = "" if row["energy"] is None else f"{row['energy'] / row['n_atoms']:.4f}"
        rung = "" if row["rung"] is None else str(row["rung"])
        cost = "" if row["seconds"] is None else duration(row["seconds"])
        name = row["structure_id"][:SHORT]
        table.add_row(name, row["formula"], row["kind"] or "", row["state"], energy, rung, cost, row["reason"] or "")
    console.print(table, markup=False)  # reasons have brackets of their own


def print_refused(store: Store, console: Console, limit: int) -> None:
    """Print frames that were not sent to DFT, with their reasons."""
    table = Table("structure", "iteration", "reason")
    for one in store.history.selections(chosen=False)[-limit:]:
        table.add_row(one.structure_id[:SHORT], str(one.iteration), one.reason)
    console.print(table, markup=False)


def print_why(store: Store, name: str, console: Console) -> None:
    """Print the history of one structure: origin, selection, attempts, label, first model.

    Parameters
    ----------
    store : Store
    name : str
        Beginning of its hash.
    console : rich.console.Console

    Raises
    ------
    StoreError
        No structure, or several, begin so.
    """
    row = store.database.rows("SELECT * FROM structures WHERE id = ?", (find_structure(store, name),))[0]

    def show(text: str) -> None:
        console.print(text, markup=False, highlight=False)

    console.print(Text.assemble((row["formula"], "bold"), f" {row['id']}\nfrom: {row['origin']}"))
    for one in store.history.selections(row["id"]):
        verdict = "chosen" if one.chosen else "refused"
        show(f"{verdict} in iteration {one.iteration}: {one.reason} {dict(one.details)}")
    for job in store.database.rows("SELECT * FROM jobs WHERE structure_id = ?", (row["id"],)):
        show(f"label {job['state']}, settings {job['settings_id'][:SHORT]}")
        console.print(_attempts(store, job["id"]), markup=False)
        if (label := store.label(job["id"])) is not None:
            show(
                f"{label.energy_kind} {label.energy:.6f} eV, rung {label.rung}, {duration(label.seconds)} on "
                f"{label.host}, {label.code_version}; outputs: {label.raw_file or 'not kept'}"
            )
        if (model := store.history.first_model_of(job["id"])) is not None:
            show(f"first seen by {model['path']} of iteration {model['iteration']}")


def _attempts(store: Store, job: str) -> Table:
    table = Table("attempt", "began", "outcome", "cost", "reason")
    for row in store.database.rows("SELECT * FROM attempts WHERE job_id = ? ORDER BY attempt", (job,)):
        cost = "" if row["seconds"] is None else duration(row["seconds"])
        table.add_row(str(row["attempt"]), moment(row["began"]), row["outcome"] or "running", cost, row["reason"] or "")
    return table


def find_structure(store: Store, name: str) -> str:
    """Full hash of a structure from its beginning.

    Raises
    ------
    StoreError
        None or several begin so.
    """
    rows = store.database.rows("SELECT id FROM structures WHERE substr(id, 1, ?) = ? LIMIT 2", (len(name), name))
    if len(rows) != 1:
        many = "several structures" if rows else "no structure"
        raise StoreError(f"{many} of {store.path} begin with {name!r}: `mlpot active query` lists them")
    return str(rows[0]["id"])
