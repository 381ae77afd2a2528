"""Test frames of a crystal and its melt: dynamics with a potential, labelled with the DFT code of a loop.

    python benchmarks/frames_for_dft.py silicon-gpaw.yaml accurate.pt test.extxyz

Six frames of each, from separate trajectories at fixed volume, far apart in time: typical frames, not those selected by
a loop. `--density` is that of the melt relative to the crystal. A second call continues.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import ase.io
import numpy as np
import typer
from ase import Atoms, units
from ase.calculators.singlepoint import SinglePointCalculator
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution

import mlpot
from mlpot.active_learning.calculation.calculators import make_calculator
from mlpot.active_learning.config import read_loop_config
from mlpot.active_learning.initial.generate import random_packings
from mlpot.active_learning.initial.structures import base_cell

TIMESTEP = 2.0  # fs
SETTLE, APART = 2500, 1000  # steps: of each temperature, and between its two frames
TEMPERATURES = {"crystal": (200.0, 400.0, 600.0), "liquid": (1800.0, 2200.0, 2600.0)}


def frames(crystal: Atoms, density: float, calculator: mlpot.MLPotCalculator) -> Iterator[Atoms]:
    """Run dynamics at each temperature, and yield two frames of each."""
    dense = crystal.copy()
    dense.set_cell(density ** (-1 / 3) * dense.cell.array, scale_atoms=True)
    (melt, _) = next(iter(random_packings(dense, 1, seed=1)))
    for kind, start in (("crystal", crystal), ("liquid", melt)):
        atoms = start.copy()
        atoms.calc = calculator
        for temperature in TEMPERATURES[kind]:
            rng = np.random.default_rng(int(temperature))
            MaxwellBoltzmannDistribution(atoms, temperature_K=temperature, rng=rng)
            bath = {"temperature_K": temperature, "friction": 0.01 / units.fs, "rng": rng}
            dynamics = Langevin(atoms, TIMESTEP * units.fs, **bath)
            for steps in (SETTLE, APART):
                dynamics.run(steps)
                frame = Atoms(atoms.symbols, atoms.positions, cell=atoms.cell.array, pbc=True)
                frame.info = {"config_type": kind, "temperature": temperature}
                yield frame


def main(
    config: Path,
    potential: Path,
    output: Path,
    density: Annotated[float, typer.Option(help="of the melt, relative to the crystal")] = 1.1,
) -> None:
    """Write labelled frames to a file, one after the other."""
    settings = read_loop_config(config)
    label = settings.label
    code = make_calculator(label.code, label.parameters, label.command, output.absolute().parent)
    done = len(ase.io.read(output, ":")) if output.exists() else 0
    for index, frame in enumerate(frames(base_cell(settings.systems[0]), density, mlpot.load(potential))):
        if index < done:
            continue
        frame.calc = code
        labels = {
            "energy": frame.get_potential_energy(force_consistent=True),
            "forces": frame.get_forces(),
            "stress": frame.get_stress(),
        }
        frame.calc = SinglePointCalculator(frame, **labels)
        ase.io.write(output, frame, format="extxyz", append=True)
        print(f"{index + 1}: {frame.info['config_type']} at {frame.info['temperature']:g} K", flush=True)


if __name__ == "__main__":
    typer.run(main)
