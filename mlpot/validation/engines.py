"""Agreement of engines for the checked model: native and torch, float32 and float64, LAMMPS and ASE."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.io import write

from mlpot import lammps
from mlpot.calculator import MLPotCalculator
from mlpot.engines.native import is_built
from mlpot.errors import EngineError
from mlpot.extras import MissingExtraError
from mlpot.neighbors.matscipy import FloatArray
from mlpot.validation.result import CheckResult, OnProgress, passed_or_failed, skipped

SAME = 1e-9
"""Largest relative deviation between two engines in float64."""

SINGLE = 1e-4
"""Largest relative deviation of float32 arithmetic from float64."""

Results = tuple[float, FloatArray, FloatArray]

BAR = 1.6021765e6
"""One eV/A^3 in bar, as LAMMPS converts it."""

SCRIPT = """\
units           metal
boundary        {boundary}
box             tilt large
read_data       {name}.data
pair_style      mlpot precision double closest 0
pair_coeff      * * "{model}" {elements}
thermo_style    custom step pe pxx pyy pzz pyz pxz pxy
thermo_modify   format float %.17g
run             0
write_dump      all custom {name}.dump id fx fy fz modify sort id format float %.17g
clear
"""


def check_engines(model: Path, structures: Mapping[str, Atoms], progress: OnProgress) -> CheckResult:
    """Compare the native engine with torch, and float32 arithmetic with float64.

    Parameters
    ----------
    model : Path
    structures : mapping of str to ase.Atoms
    progress : callable

    Returns
    -------
    CheckResult
    """
    if not is_built():
        return skipped("the native engine is not built into this installation: see `mlpot doctor`")
    try:
        reference = MLPotCalculator(model, engine="torch", precision="double")
    except MissingExtraError as error:
        return skipped(str(error))
    others = {
        "native float64": (MLPotCalculator(model, engine="native", precision="double"), SAME),
        "native float32": (MLPotCalculator(model, engine="native", precision="mixed"), SINGLE),
        "torch float32": (MLPotCalculator(model, engine="torch", precision="mixed"), SINGLE),
    }
    worst = dict.fromkeys(others, 0.0)
    for done, atoms in enumerate(structures.values()):
        expected = evaluate(atoms, reference)
        for name, (calculator, _) in others.items():
            worst[name] = max(worst[name], deviation(evaluate(atoms, calculator), expected))
        progress((done + 1) / len(structures))
    problems = [
        f"{name} deviates from torch float64 by {worst[name]:.1e} (relative, {limit:.0e} allowed)"
        for name, (_, limit) in others.items()
        if not worst[name] < limit
    ]
    summary = "energy, forces, virial against torch float64: " + ", ".join(f"{n} {v:.0e}" for n, v in worst.items())
    return passed_or_failed(problems, summary, {f"{name}_relative": value for name, value in worst.items()})


def check_lammps(model: Path, structures: Mapping[str, Atoms], progress: OnProgress) -> CheckResult:
    """Compare LAMMPS on one and two ranks with ASE.

    Parameters
    ----------
    model : Path
    structures : mapping of str to ase.Atoms
    progress : callable

    Returns
    -------
    CheckResult
    """
    if (missing := lammps_is_missing()) is not None:
        return skipped(missing)
    boxed = [in_a_box(atoms) for atoms in structures.values()]
    calculator = MLPotCalculator(model, precision="double")
    expected = [evaluate(atoms, calculator) for atoms in boxed]
    numbers: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for done, ranks in enumerate((1, 2)):
            found = _run_lammps(model, boxed, ranks, Path(folder))
            numbers[f"ranks_{ranks}_relative"] = max(map(deviation, found, expected))
            progress((done + 1) / 2)
    problems = [
        f"LAMMPS on {name.split('_')[1]} ranks deviates from ASE by {value:.1e} (relative, {SAME:.0e} allowed)"
        for name, value in numbers.items()
        if not value < SAME
    ]
    summary = f"LAMMPS equals ASE on 1 and 2 ranks, to {max(numbers.values()):.0e}"
    return passed_or_failed(problems, summary, numbers)


def lammps_is_missing() -> str | None:
    """Why LAMMPS cannot run here; None where it can."""
    try:
        lammps.program()
        lammps.plugin_directory()
    except EngineError as error:
        return str(error)
    return None


def evaluate(atoms: Atoms, calculator: MLPotCalculator) -> Results:
    """Evaluate a structure.

    Parameters
    ----------
    atoms : ase.Atoms
    calculator : MLPotCalculator

    Returns
    -------
    energy : float, eV
    forces : (n_atoms, 3), eV/A
    virial : (3, 3), eV
    """
    atoms = atoms.copy()
    atoms.calc = calculator
    return float(atoms.get_potential_energy()), atoms.get_forces().copy(), calculator.get_virial(atoms)


def deviation(found: Results, expected: Results) -> float:
    """Largest deviation, relative to the largest value where that is above 1 eV/atom, 1 eV/A, 1 eV.

    Parameters
    ----------
    found, expected : (energy, forces, virial)

    Returns
    -------
    float
    """
    parts = []
    for one, other, scale in zip(found, expected, (len(expected[1]), 1.0, 1.0), strict=True):
        a, b = np.asarray(one), np.asarray(other)
        parts.append(np.abs(a - b).max() / max(scale, np.abs(b).max()))
    return float(np.max(parts))  # NaN propagates, and is not below any limit


def in_a_box(atoms: Atoms) -> Atoms:
    """Copy in a cell that LAMMPS accepts: lower triangular, with vacuum along directions that are not periodic."""
    boxed = atoms.copy()
    boxed.calc = None
    if not atoms.pbc.all():
        boxed.set_cell(atoms.cell.complete() if atoms.pbc.any() else None)
        for axis in np.flatnonzero(~atoms.pbc):
            boxed.center(vacuum=2.0, axis=int(axis))
    cell, _ = boxed.cell.standard_form()
    boxed.set_cell(cell, scale_atoms=True)
    return boxed


def write_data(path: Path, atoms: Atoms, elements: list[str]) -> None:
    """Write a data file of LAMMPS in full precision.

    Parameters
    ----------
    path : Path
    atoms : ase.Atoms
        Of `in_a_box`.
    elements : list of str
        In the order of the types.
    """
    write(path, atoms, format="lammps-data", specorder=elements, masses=True, atom_style="atomic")


def _run_lammps(model: Path, structures: Sequence[Atoms], ranks: int, folder: Path) -> list[Results]:
    script = ""
    for name, atoms in enumerate(structures):
        elements = sorted(set(atoms.symbols))
        write_data(folder / f"{name}.data", atoms, elements)
        boundary = " ".join("p" if periodic else "f" for periodic in atoms.pbc)
        script += SCRIPT.format(name=name, model=model, elements=" ".join(elements), boundary=boundary)
    result = lammps.run(script, ranks=ranks, directory=folder)
    return [
        (table["PotEng"][0], np.loadtxt(folder / f"{name}.dump", skiprows=9, ndmin=2)[:, 1:], _virial(table, atoms))
        for name, (atoms, table) in enumerate(zip(structures, result.thermo, strict=True))
    ]


def _virial(table: Mapping[str, Any], atoms: Atoms) -> FloatArray:
    """Virial (3, 3), eV, of the pressures that LAMMPS prints."""
    names = ("Pxx", "Pyy", "Pzz", "Pyz", "Pxz", "Pxy")
    xx, yy, zz, yz, xz, xy = (table[name][0] * atoms.get_volume() / BAR for name in names)
    return np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
