"""Calculators that do something wrong to the results of another one."""

import numpy as np
from ase.calculators.calculator import Calculator


class Altered(Calculator):
    """Another calculator, whose results something was done to."""

    implemented_properties = ("energy", "forces", "stress")

    def __init__(self, inner, alter):
        super().__init__()
        self.inner, self.alter = inner, alter

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        self.atoms = atoms.copy()
        inner = self.atoms.copy()
        inner.calc = self.inner
        self.results = {"energy": inner.get_potential_energy(), "forces": inner.get_forces()}
        if atoms.pbc.all():
            self.results["stress"] = inner.get_stress()
        self.alter(self.atoms, self.results)
        self.results["free_energy"] = self.results["energy"]


def well(center, depth, width):
    """Alteration: a Gaussian hole in the energy of every pair, with its forces."""

    def alter(atoms, results):
        vectors = atoms.get_all_distances(vector=True)
        distances = np.linalg.norm(vectors, axis=2) + np.diag(np.full(len(atoms), 1e3))
        gauss = np.exp(-0.5 * ((distances - center) / width) ** 2)
        slope = depth * gauss * (distances - center) / width**2
        results["energy"] -= 0.5 * depth * gauss.sum()
        results["forces"] += ((slope / distances)[..., None] * vectors).sum(axis=1)

    return alter
