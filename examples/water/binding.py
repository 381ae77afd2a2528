"""Binding energies of water clusters by potentials and by PySCF: `python binding.py water-pyscf.models/0006.pt`.

The clusters of water.xyz are relaxed with each potential; PySCF computes them at the relaxed geometries.
"""

import sys
import tempfile
from pathlib import Path

import ase.io
from molecules_pyscf import density_functional

import mlpot
from mlpot.simulation import relax

print("molecules bound by, eV: potential, PySCF; largest force of PySCF there, eV/A")
for path in sys.argv[1:]:
    one: dict[str, float] = {}
    for atoms in ase.io.read(Path(__file__).with_name("water.xyz"), ":"):
        n = len(atoms) // 3
        atoms.calc = mlpot.load(path, threads=1)
        relax(atoms, fmax=0.01)
        energies = {"potential": atoms.get_potential_energy()}
        with tempfile.TemporaryDirectory() as folder:
            atoms.calc = density_functional(Path(folder))
            energies["PySCF"] = atoms.get_potential_energy()
            left = abs(atoms.get_forces()).max()
        one = one or energies
        bound = ", ".join(f"{n * one[name] - energy:.3f}" for name, energy in energies.items())
        print(f"{path}: {n} molecules {bound}; {left:.2f}", flush=True)
