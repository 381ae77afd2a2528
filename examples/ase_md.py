"""Molecular dynamics with ASE: relax, heat, and measure the conservation of the energy.

    python examples/ase_md.py                         # 64 atoms, 2 ps at 600 K
    python examples/ase_md.py --model run/model.pt --temperature 900 --steps 20000

`mlpot relax` and `mlpot md` do this from the command line, with thermostat, barostat and restarts.
"""

import argparse

import numpy as np
from ase import units
from ase.build import bulk
from ase.filters import FrechetCellFilter
from ase.io.trajectory import Trajectory
from ase.md.bussi import Bussi
from ase.md.verlet import VelocityVerlet
from ase.optimize import BFGS

import mlpot


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="Si-dft", help="model.pt, or the name of a shipped potential")
    parser.add_argument("--temperature", type=float, default=600.0, help="K")
    parser.add_argument("--steps", type=int, default=2000, help="of 1 fs")
    parser.add_argument("--trajectory", default="md.traj")
    options = parser.parse_args()
    rng = np.random.default_rng(0)

    atoms = bulk("Si", cubic=True)
    atoms.calc = mlpot.load(options.model, precision="double")
    BFGS(FrechetCellFilter(atoms), logfile=None).run(fmax=0.005)
    print(f"lattice constant {atoms.cell.lengths()[0]:.4f} A, energy {atoms.get_potential_energy() / 8:.4f} eV/atom")

    atoms = atoms.repeat(2)
    atoms.calc = mlpot.load(options.model, precision="double")
    spread = np.sqrt(atoms.get_masses() * units.kB * options.temperature)
    momenta = spread[:, None] * rng.normal(size=(len(atoms), 3))
    atoms.set_momenta(momenta - momenta.mean(axis=0))
    heating = Bussi(atoms, 1.0 * units.fs, options.temperature, 50.0 * units.fs, rng=rng)
    heating.run(options.steps // 4)

    energies = []
    dynamics = VelocityVerlet(atoms, 1.0 * units.fs)
    dynamics.attach(lambda: energies.append(atoms.get_total_energy() / len(atoms)), interval=10)
    with Trajectory(options.trajectory, "w", atoms) as trajectory:
        dynamics.attach(trajectory.write, interval=10)
        dynamics.run(options.steps)

    picoseconds = 0.01 * np.arange(len(energies))
    drift = np.polyfit(picoseconds, energies, 1)[0]
    print(f"NVE at {atoms.get_temperature():.0f} K: energy drift {1e6 * drift:.1f} ueV/atom/ps")
    print(f"trajectory: {options.trajectory} (open it with `ase gui`)")


if __name__ == "__main__":
    main()
