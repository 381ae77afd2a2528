"""Recipes: generators that ask for labels of structures and may choose the next ones by the answer.

A recipe yields an ``Ask`` and is sent the ``Label`` of each of its structures. Paths of relaxations and of dynamics so
need no driver of their own, and many recipes advance together in the teacher's batches.
"""

from collections.abc import Generator
from typing import NamedTuple

import numpy as np
from ase import Atoms, units

from universal_set.geometry import bulk_stiffness, deformed, displaced, stiffness, thermal

LARGEST_STEP = 0.15  # A, of an atom in one step of a relaxation
LARGEST_STRAIN = 0.05  # in one step of a relaxation
CONVERGED = 0.012  # A: smaller steps make no structure worth a label
MASS = 30.0  # u, of every atom: positions in equilibrium do not depend on masses, and equal ones allow long steps
TIME_STEP = 5.0 * units.fs
STEPS_PER_FRAME = 4


class Label(NamedTuple):
    """What the teacher says about one structure."""

    energy: float  # eV
    forces: np.ndarray  # (n_atoms, 3), eV/A
    stress: np.ndarray  # (3, 3), eV/A^3, ASE's sign


class Ask(NamedTuple):
    """Structures that need labels, and whether these belong to the training set."""

    structures: list[Atoms]
    keep: bool = True


Recipe = Generator[Ask, list[Label], None]


def single(*structures: Atoms) -> Recipe:
    """Structures as they are."""
    yield Ask(list(structures))


def relaxation_step(atoms: Atoms, label: Label, move_cell: bool) -> tuple[Atoms, float]:
    """One Newton step with the elastic network in the place of the Hessian.

    Returns
    -------
    tuple
        The new structure and the longest way that an atom went, in A, with the strain counted as 3 A per unit.
    """
    values, modes = stiffness(atoms)
    step = (modes @ (modes.T @ label.forces.ravel() / values)).reshape(-1, 3)
    longest = float(np.linalg.norm(step, axis=1).max())
    result = displaced(atoms, step * min(1.0, LARGEST_STEP / max(longest, 1e-9)), closest=0.5)
    if not move_cell:
        return result, longest
    strain = -0.5 * label.stress / bulk_stiffness(atoms)
    largest = float(np.abs(strain).max())
    return deformed(result, strain * min(1.0, LARGEST_STRAIN / max(largest, 1e-9))), max(longest, 3 * largest)


def relaxation(atoms: Atoms, n_steps: int, move_cell: bool = False) -> Generator[Ask, list[Label], Atoms]:
    """Frames of a relaxation with its start; returns the last structure."""
    for _ in range(n_steps):
        (label,) = yield Ask([atoms])
        after, longest = relaxation_step(atoms, label, move_cell and bool(atoms.pbc.all()))
        if longest < CONVERGED:
            break
        atoms = after
    else:
        yield Ask([atoms])
    return atoms


def relaxed_then_warm(
    atoms: Atoms, rng: np.random.Generator, n_steps: int, temperatures: tuple[float, ...], move_cell: bool = True
) -> Recipe:
    """Relaxation, and then thermal displacements (K) around its end."""
    end = yield from relaxation(atoms, n_steps, move_cell)
    yield Ask([thermal(end, rng, temperature) for temperature in temperatures])


def dynamics(atoms: Atoms, rng: np.random.Generator, temperature: float, n_frames: int) -> Recipe:
    """Short run at constant energy from thermal displacements and velocities, both at `temperature` K.

    Equal masses and 5 fs a step let soft modes pass a quarter of their period within some 12 steps.
    """
    atoms = thermal(atoms, rng, temperature)
    velocities = rng.normal(0, np.sqrt(units.kB * temperature / MASS), (len(atoms), 3))
    velocities -= velocities.mean(axis=0)
    (label,) = yield Ask([atoms], keep=False)
    for step in range(1, n_frames * STEPS_PER_FRAME + 1):
        velocities += label.forces * (0.5 * TIME_STEP / MASS)
        atoms = atoms.copy()
        atoms.positions += TIME_STEP * velocities
        (label,) = yield Ask([atoms], keep=step % STEPS_PER_FRAME == 0)
        velocities += label.forces * (0.5 * TIME_STEP / MASS)
