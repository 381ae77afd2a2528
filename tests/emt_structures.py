"""Small labelled data sets: copper-gold alloys with energies, forces and stresses of ASE's EMT potential."""

import numpy as np
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

from mlpot.config import TrainConfig
from mlpot.config.yaml import validated


def emt_structures(count, seed=0, sizes=(2, 4)):
    """Strained, shaken cells of `sizes` atoms in turn; every fourth has no stress, every fifth no forces."""
    rng = np.random.default_rng(seed)
    frames = []
    for index in range(count):
        atoms = bulk("Cu", "fcc", a=3.9, cubic=True)[: sizes[index % len(sizes)]]
        atoms.numbers[:] = rng.choice([29, 79], len(atoms))
        atoms.set_cell(atoms.cell @ (np.eye(3) + rng.uniform(-0.05, 0.05, (3, 3))), scale_atoms=True)
        atoms.rattle(0.1, seed=int(rng.integers(1 << 30)))
        atoms.calc = EMT()
        labels = {"energy": atoms.get_potential_energy()}
        if index % 5 != 4:
            labels["forces"] = atoms.get_forces()
        if index % 4 != 3:
            labels["stress"] = atoms.get_stress()
        atoms.calc = SinglePointCalculator(atoms, **labels)
        frames.append(atoms)
    return frames


SMALL_MODEL = {
    "cutoff": 3.5,
    "n_layers": 1,
    "n_channels": 8,
    "lmax": 2,
    "correlation": 2,
    "n_radial": 4,
    "readout_width": 8,
    "zbl": False,
}


def small_config(data, output, /, **sections):
    """Configuration of a run of seconds; `sections` add to it."""
    values = {
        "data": {"train": str(data), "validation": 0.2},
        "model": SMALL_MODEL,
        "training": {"epochs": 2, "batch_atoms": 12, "precision": "float64"},
        "run": {"output": str(output), "device": "cpu", "threads": 1, "plots": False},
    }
    for name, section in sections.items():
        base = values.get(name, {})
        if {"steps", "time_budget"} & section.keys():
            base.pop("epochs", None)
        values[name] = {**base, **section}
    return validated(TrainConfig, values)
