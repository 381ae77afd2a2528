"""All steps of the quickstart in order, with their titles and times."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from mlpot.cli.quickstart import steps
from mlpot.cli.quickstart.report import results_table, write_report
from mlpot.running.outputs import check_output_folder


def run_quickstart(output: Path, budget: float, console: Console) -> Path:
    """Train a silicon potential and use it in ASE and LAMMPS.

    A model that an earlier run finished in `output` is used again; all other steps are repeated.

    Parameters
    ----------
    output : Path
        Folder of all results.
    budget : float, s
        Time for the training.
    console : Console

    Returns
    -------
    Path
        The HTML report.

    Raises
    ------
    MLPotError
        A step fails; what the steps before it wrote stays.
    """
    check_output_folder(output)
    output.mkdir(parents=True, exist_ok=True)
    begin = time.perf_counter()
    with _step(console, 1, f"train a potential on DFT data of silicon, {budget / 60:.3g} min"):
        model, summary = steps.train_potential(output, budget, console)
    with _step(console, 2, "relax a crystal and a vacancy in ASE"):
        crystal = steps.relax_crystal(model)
    with _step(console, 3, "molecular dynamics in ASE: 64 atoms, NVE, float64"):
        dynamics = steps.run_nve(model, crystal.lattice_constant, output)
    with _step(console, 4, "molecular dynamics in LAMMPS: 2744 atoms on two MPI ranks, through plain `lmp`"):
        lammps = steps.run_lammps(model, crystal.lattice_constant, output)
    with _step(console, 5, "equation of state against DFT"):
        equation = steps.equation_of_state(model, crystal.lattice_constant)
    results = steps.Results(summary, crystal, dynamics, lammps, equation, time.perf_counter() - begin)
    report = write_report(results, output)
    console.print(results_table(results))
    console.print(f"model   {model}\nreport  {report}", highlight=False, soft_wrap=True)
    return report


@contextmanager
def _step(console: Console, number: int, title: str) -> Iterator[None]:
    console.print(f"[bold]{number}/5[/bold] {title}", highlight=False)
    begin = time.perf_counter()
    yield
    console.print(f"    done in {time.perf_counter() - begin:.0f} s", highlight=False, style="dim")
