"""Steps of the quickstart; each takes the model file and returns a plain result with units."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms, units
from ase.build import bulk
from ase.eos import EquationOfState
from numpy.typing import NDArray
from rich.console import Console

from mlpot.calculator import MLPotCalculator
from mlpot.cli.training_display import TrainingDisplay
from mlpot.config import TrainConfig
from mlpot.data import LabelledStructure, read_structures
from mlpot.errors import EngineError
from mlpot.lammps import read_thermo
from mlpot.model_file.registry import data_folder
from mlpot.simulation import MDSettings, relax, run_md
from mlpot.training import train

FloatArray = NDArray[np.float64]
TEMPERATURE = 1000.0
LAMMPS_STEPS = 100

LAMMPS_INPUT = """\
# {n_atoms} silicon atoms; run with: mpiexec -n 2 lmp -in in.silicon
units           metal
lattice         diamond {lattice_constant:.6f}
region          box block 0 7 0 7 0 7
create_box      1 box
create_atoms    1 box
mass            1 28.085
pair_style      mlpot
pair_coeff      * * {model} Si
velocity        all create {temperature} 4928459 dist gaussian
fix             1 all nve
timestep        0.0005
thermo          20
thermo_modify   format float %.15g
run             {steps}
# The same frame once more in float64, to compare with ASE.
pair_style      mlpot precision double
pair_coeff      * * {model} Si
run             0
write_dump      all custom frame.dump id type x y z fx fy fz modify sort id format float %.16g
"""


@dataclass(frozen=True)
class Crystal:
    """Relaxed diamond silicon: lattice constant in A, energy of a vacancy in 64 atoms in eV."""

    lattice_constant: float
    vacancy_energy: float


@dataclass(frozen=True)
class Dynamics:
    """NVE run: mean temperature in K, drift in eV/atom/ps, conserved energy in meV/atom against time in ps."""

    temperature: float
    drift: float
    rate: float
    time: FloatArray
    energy: FloatArray


@dataclass(frozen=True)
class LammpsComparison:
    """LAMMPS run: atoms*steps/s on two ranks, and its largest deviation from ASE on the last frame (float64)."""

    n_atoms: int
    rate: float
    energy_difference: float
    force_difference: float
    drift: float


@dataclass(frozen=True)
class CurveOfState:
    """Energy in eV/atom against volume in A^3/atom, of the model and of DFT; bulk modulus in GPa."""

    volume: FloatArray
    energy: FloatArray
    dft_volume: FloatArray
    dft_energy: FloatArray
    bulk_modulus: float


@dataclass(frozen=True)
class Results:
    """Everything that the report shows."""

    training: dict[str, Any]
    crystal: Crystal
    dynamics: Dynamics
    lammps: LammpsComparison
    equation: CurveOfState
    seconds: float


def train_potential(output: Path, budget: float, console: Console) -> tuple[Path, dict[str, Any]]:
    """Train the ``fast`` preset on the shipped data, or take what an earlier run finished.

    Returns
    -------
    model : Path
    summary : dict
        Of `mlpot.training`, with the errors on the test set.
    """
    folder, data = output / "training", data_folder("Si-dft")
    model, summary = folder / "model.pt", folder / "summary.json"
    if summary.is_file() and json.loads(summary.read_text())["complete"]:
        console.print(f"    {model} is there already; remove {folder} to train again", highlight=False)
    else:
        shutil.rmtree(folder, ignore_errors=True)
        config = TrainConfig.model_validate(
            {
                "data": {
                    "train": [data / "train.extxyz.xz", data / "isolated_atom.extxyz"],
                    "validation": data / "validation.extxyz.xz",
                    "test": data / "test.extxyz.xz",
                },
                "model": {"preset": "fast"},
                "training": {"time_budget": budget},
                "run": {"output": folder},
            }
        )
        with TrainingDisplay(console) as display:
            train(config, observer=display)
    return model, json.loads(summary.read_text())


def relax_crystal(model: Path) -> Crystal:
    """Relax the cell of a shaken crystal, then a vacancy in 64 atoms."""
    calculator = MLPotCalculator(model, precision="double")
    cubic = bulk("Si", "diamond", a=5.3, cubic=True)
    cubic.rattle(0.05, rng=np.random.default_rng(0))
    cubic.calc = calculator
    perfect = relax(cubic, cell=True, fmax=1e-3)
    lattice_constant = perfect.volume ** (1 / 3)
    vacancy = _crystal(lattice_constant, 2)
    del vacancy[0]
    vacancy.rattle(0.02, rng=np.random.default_rng(0))
    vacancy.calc = calculator
    relaxed = relax(vacancy, fmax=0.01)
    return Crystal(lattice_constant, relaxed.energy - len(vacancy) * perfect.energy / len(cubic))


def run_nve(model: Path, lattice_constant: float, output: Path) -> Dynamics:
    """Follow 64 atoms at `TEMPERATURE` for 1 ps with a timestep of 0.5 fs."""
    atoms = _crystal(lattice_constant, 2)
    atoms.calc = MLPotCalculator(model, precision="double")
    trajectory = output / "nve.xyz"
    for path in output.glob("nve.*"):
        path.unlink()
    # Half of the kinetic energy goes into the springs of a crystal that starts from its perfect sites.
    settings = MDSettings("nve", steps=2000, timestep=0.5, temperature=2 * TEMPERATURE, interval=10)
    result = run_md(atoms, settings, trajectory)
    time, conserved = np.loadtxt(result.log, delimiter=",", skiprows=1, usecols=(1, 5), unpack=True)
    energy = 1000.0 * (conserved - conserved[0]) / len(atoms)
    return Dynamics(result.temperature, result.energy_drift, result.rate, time / 1000.0, energy)


def run_lammps(model: Path, lattice_constant: float, output: Path) -> LammpsComparison:
    """Run 2744 atoms on two ranks, and compare the last frame with ASE."""
    folder = output / "lammps"
    folder.mkdir(exist_ok=True)
    shutil.copyfile(model, folder / "model.pt")
    n_atoms = 8 * 7**3
    script = LAMMPS_INPUT.format(
        n_atoms=n_atoms,
        lattice_constant=lattice_constant,
        model="model.pt",
        temperature=2 * TEMPERATURE,
        steps=LAMMPS_STEPS,
    )
    (folder / "in.silicon").write_text(script)
    scripts = Path(sys.executable).parent
    log = _run([str(scripts / "mpiexec"), "-n", "2", str(scripts / "lmp"), "-in", "in.silicon"], folder)
    first, last = read_thermo(log)
    loop = float(next(line for line in log.splitlines() if line.startswith("Loop time")).split()[3])
    total = np.array(first["TotEng"])
    atoms = _read_dump(folder / "frame.dump")
    forces = atoms.arrays["dump_forces"]
    atoms.calc = MLPotCalculator(model, precision="double")
    return LammpsComparison(
        n_atoms=n_atoms,
        rate=n_atoms * LAMMPS_STEPS / loop,
        energy_difference=abs(atoms.get_potential_energy() - last["E_pair"][-1]) / n_atoms,
        force_difference=float(np.abs(atoms.get_forces() - forces).max()),
        drift=float((total[-1] - total[0]) / n_atoms / (LAMMPS_STEPS * 0.0005)),
    )


def equation_of_state(model: Path, lattice_constant: float) -> CurveOfState:
    """Energy against volume of diamond silicon, beside the labels of the data set."""
    calculator = MLPotCalculator(model, precision="double")
    points = []
    for scale in np.linspace(0.87, 1.17, 61):
        crystal = bulk("Si", "diamond", a=lattice_constant * scale)
        crystal.calc = calculator
        points.append((crystal.get_volume() / 2, crystal.get_potential_energy() / 2))
    volume, energy = np.array(points).T
    near = np.abs(8 * volume / lattice_constant**3 - 1) < 0.1
    modulus = EquationOfState(volume[near], energy[near], eos="birchmurnaghan").fit()[2] / units.GPa
    diamonds = [structure for structure in _shipped_structures() if structure.config_type == "diamond_eos"]
    dft = [(d.volume / len(d.atoms), d.energy / len(d.atoms)) for d in diamonds if d.energy is not None]
    dft_volume, dft_energy = np.array(sorted(dft)).T
    return CurveOfState(volume, energy, dft_volume, dft_energy, float(modulus))


def _crystal(lattice_constant: float, repeat: int) -> Atoms:
    return bulk("Si", "diamond", a=lattice_constant, cubic=True).repeat(repeat)


def _shipped_structures() -> list[LabelledStructure]:
    files = [data_folder("Si-dft") / f"{name}.extxyz.xz" for name in ("train", "validation", "test")]
    return [structure for file in files for structure in read_structures(file)]


def _run(command: Sequence[str], folder: Path) -> str:
    """Run a program in a folder; its output, or an error with the last lines of it."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        tail = "\n".join((result.stdout + result.stderr).splitlines()[-15:])
        raise EngineError(f"`{' '.join(command)}` failed in {folder}:\n{tail}\n`mlpot doctor` tests the installation")
    return result.stdout


def _read_dump(path: Path) -> Atoms:
    """Frame of LAMMPS as silicon atoms, with the forces of the file as an array of their own."""
    frame = ase.io.read(path, format="lammps-dump-text")
    atoms = Atoms("Si" * len(frame), frame.positions, cell=frame.cell, pbc=True)
    atoms.arrays["dump_forces"] = frame.get_forces()
    return atoms
