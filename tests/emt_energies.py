"""Properties of EMT metals by hand: energies of strained and relaxed cells, and their second differences."""

import numpy as np
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.optimize import BFGS
from scipy.optimize import minimize_scalar


def energy_of(atoms):
    atoms.calc = EMT()
    return atoms.get_potential_energy()


def lattice_constant(symbol, guess):
    options = {"xatol": 1e-7}
    bounds = (0.97 * guess, 1.03 * guess)
    return minimize_scalar(
        lambda a: energy_of(bulk(symbol, "fcc", a=a)), bounds=bounds, method="bounded", options=options
    ).x


def curvature(function, step):
    """Second derivative at 0, of fourth order."""
    values = [function(k * step) for k in (-2, -1, 0, 1, 2)]
    return np.dot([-1 / 12, 4 / 3, -5 / 2, 4 / 3, -1 / 12], values) / step**2


def strained_energy(atoms, strain, relaxed=False):
    strained = atoms.copy()
    strained.set_cell(atoms.cell.array @ (np.eye(3) + np.asarray(strain)), scale_atoms=True)
    strained.calc = atoms.calc if atoms.calc is not None else EMT()
    if relaxed:
        BFGS(strained, logfile=None).run(fmax=1e-6, steps=200)
    return strained.get_potential_energy()


def relaxed_energy(atoms):
    atoms.calc = EMT()
    BFGS(atoms, logfile=None).run(fmax=1e-3, steps=200)
    return atoms.get_potential_energy()
