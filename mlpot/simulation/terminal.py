"""`mlpot relax` and `mlpot md`: files in, files out, a progress bar with the time left, and a table at the end."""

from pathlib import Path

import ase.io
from ase import Atoms
from rich.console import Console
from rich.table import Table

from mlpot.calculator import MLPotCalculator
from mlpot.errors import DataError
from mlpot.running.progress import progress_bar
from mlpot.simulation.dynamics import MDResult, run_md
from mlpot.simulation.relaxation import OptimizerName, RelaxResult, relax
from mlpot.simulation.settings import MDSettings


def relax_file(
    calculator: MLPotCalculator,
    source: Path,
    target: Path,
    *,
    fmax: float,
    cell: bool,
    pressure: float,
    optimizer: OptimizerName,
    steps: int,
    console: Console | None = None,
) -> RelaxResult:
    """Relax the last structure of a file, write the result, print a table.

    Parameters
    ----------
    calculator : MLPotCalculator
    source, target : Path
        Anything ASE reads and writes.
    fmax, cell, pressure, optimizer, steps
        As of `relax`.
    console : rich.console.Console, optional

    Returns
    -------
    RelaxResult
    """
    console = console or Console()
    _say_engine(calculator, console)
    atoms = read_structure(source)
    atoms.calc = calculator
    with progress_bar(console, "relax", steps) as update:
        result = relax(
            atoms,
            fmax=fmax,
            cell=cell,
            pressure=pressure,
            optimizer=optimizer,
            steps=steps,
            on_step=lambda step, force: update(completed=step, description=f"fmax {force:.4f} eV/A"),
        )
    ase.io.write(target, result.atoms)
    console.print(_relax_table(result, target, fmax))
    return result


def md_file(
    calculator: MLPotCalculator,
    source: Path,
    trajectory: Path,
    settings: MDSettings,
    *,
    restart: bool = False,
    console: Console | None = None,
) -> MDResult:
    """Run dynamics from the last structure of a file, print a table.

    Parameters
    ----------
    calculator : MLPotCalculator
    source : Path
        Anything ASE reads.
    trajectory : Path
    settings : MDSettings
    restart : bool
        As of `run_md`.
    console : rich.console.Console, optional

    Returns
    -------
    MDResult
    """
    console = console or Console()
    _say_engine(calculator, console)
    atoms = read_structure(source)
    atoms.calc = calculator
    with progress_bar(console, settings.ensemble, settings.steps) as update:
        result = run_md(atoms, settings, trajectory, restart=restart, on_step=lambda step: update(completed=step))
    console.print(_md_table(result))
    if result.interrupted:
        console.print(f"Stopped at step {result.steps} of {settings.steps}. Go on: the same command with --restart")
    return result


def _say_engine(calculator: MLPotCalculator, console: Console) -> None:
    console.print(f"{calculator.parameters['path']}: {calculator.engine_description}", markup=False, highlight=False)


def read_structure(source: Path) -> Atoms:
    """Last structure of a file.

    Parameters
    ----------
    source : Path
        Anything ASE reads.

    Returns
    -------
    ase.Atoms

    Raises
    ------
    DataError
        The file cannot be read.
    """
    try:
        return ase.io.read(source)
    except Exception as error:  # ASE's readers raise whatever they stumble upon
        raise DataError(f"{source}: cannot be read as a structure: {error}") from error


def _relax_table(result: RelaxResult, target: Path, fmax: float) -> Table:
    table = Table(title="relaxation", show_header=False)
    table.add_row("converged", f"{'yes' if result.converged else 'NO'}, {result.steps} steps")
    table.add_row("largest force", f"{result.max_force:.5f} eV/A (asked for {fmax:g})")
    table.add_row("energy", f"{result.energy:.6f} eV, {result.energy / max(len(result.atoms), 1):.6f} eV/atom")
    table.add_row("energy change", f"{result.energy_change:.6f} eV")
    if result.atoms.pbc.all():
        table.add_row("pressure", f"{result.pressure:.4f} GPa")
        table.add_row("volume", f"{result.volume:.4f} A^3, {result.volume / max(len(result.atoms), 1):.4f} A^3/atom")
    table.add_row("written to", str(target))
    return table


def _md_table(result: MDResult) -> Table:
    table = Table(title="molecular dynamics", show_header=False)
    table.add_row("steps", str(result.steps))
    table.add_row("mean temperature", f"{result.temperature:.1f} K")
    if result.atoms.pbc.all():
        table.add_row("mean pressure", f"{result.pressure:.3f} GPa")
        table.add_row("mean volume", f"{result.volume:.2f} A^3")
    table.add_row("drift of the conserved energy", f"{result.energy_drift:.2e} eV/atom/ps")
    table.add_row("speed", f"{result.rate:.0f} atoms*steps/s")
    table.add_row("frames", str(result.trajectory))
    table.add_row("log", str(result.log))
    return table
