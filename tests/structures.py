"""Random structures of every kind a user may bring, as a hypothesis strategy."""

import numpy as np
from ase import Atoms
from hypothesis import strategies as st

KINDS = (
    "triclinic",
    "slab",
    "wire",
    "molecule",
    "tiny cell",
    "single atom",
    "one atom, periodic",
    "close pair",
    "unwrapped",
)

PBC = {
    "slab": (True, True, False),
    "wire": (False, False, True),
    "molecule": False,
    "single atom": False,
    "close pair": False,
}


@st.composite
def structures(draw, elements=("H", "O", "Si"), kinds=KINDS, max_atoms=10):
    """Atoms at least 0.9 A apart (a close pair: 0.3 A), with any cell and periodicity."""
    kind = draw(st.sampled_from(kinds))
    n_atoms = {"single atom": 1, "one atom, periodic": 1, "close pair": 2}.get(kind) or draw(st.integers(2, max_atoms))
    return random_structure(kind, n_atoms, elements, draw(st.integers(0, 2**32 - 1)))


def random_structure(kind, n_atoms, elements=("H", "O", "Si"), seed=0):
    """One structure of a kind of `KINDS`."""
    rng = np.random.default_rng(seed)
    side = {"tiny cell": 1.6, "one atom, periodic": 2.2}.get(kind, 2.1) * n_atoms ** (1 / 3)
    if kind == "tiny cell":
        side, n_atoms = 2.2, min(n_atoms, 2)
    cell = side * (np.eye(3) + rng.uniform(-0.25, 0.25, (3, 3)))
    symbols = rng.choice(elements, n_atoms)
    atoms = Atoms(symbols, positions=np.zeros((n_atoms, 3)), cell=cell, pbc=PBC.get(kind, True))
    atoms.positions = place(atoms, rng)
    if kind == "close pair":
        atoms.positions[1] = atoms.positions[0] + 0.3 * np.array([0.6, 0.0, 0.8])
    if kind == "unwrapped":
        atoms.positions += rng.integers(-3, 4, (n_atoms, 3)) @ cell
    if kind == "molecule":
        atoms.cell = None
    return atoms


def place(atoms, rng, closest=0.9, tries=200):
    """Positions in the cell, each as far as `tries` random draws allow from the others, images included."""
    cell = atoms.cell.array
    images = (
        np.stack(np.meshgrid(*[[-1, 0, 1] if p else [0] for p in atoms.pbc], indexing="ij"), -1).reshape(-1, 3) @ cell
    )
    chosen = [rng.random(3) @ cell]
    while len(chosen) < len(atoms):
        candidates = rng.random((tries, 3)) @ cell
        others = (np.array(chosen)[:, None] + images[None]).reshape(-1, 3)
        distance = np.linalg.norm(candidates[:, None] - others[None], axis=2).min(axis=1)
        good = np.flatnonzero(distance > 1.3)
        best = int(good[0]) if len(good) else int(distance.argmax())
        if distance[best] < closest:
            raise AssertionError("the cell is too small for the atoms")
        chosen.append(candidates[best])
    return np.array(chosen)


def random_rotation(rng, improper=None):
    """Random element of O(3); half of them include inversion."""
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    improper = rng.random() < 0.5 if improper is None else improper
    return q * (np.sign(np.linalg.det(q)) * (-1.0 if improper else 1.0))
