"""Structures in LAMMPS' orientation, their data files, and their results in Python."""

from typing import NamedTuple

import numpy as np
import torch
from ase import Atoms
from structures import place

from mlpot.model.derivatives import evaluate
from mlpot.neighbors.matscipy import graph_from_atoms

ELEMENTS = ("H", "O", "Si")
BAR = 1.6021765e6  # eV/A^3 in bar, as LAMMPS converts it in units metal
KCAL = 23.060549  # eV in kcal/mol, likewise
ATMOSPHERES = 68568.415  # kcal/mol/A^3 in atm, likewise

SILICON = """
units metal
lattice diamond 5.43
region box block 0 2 0 2 0 2
create_box 1 box
create_atoms 1 box
mass 1 28.0855
pair_style mlpot
pair_coeff * * "{model}" Si
"""


class Results(NamedTuple):
    """Energies (eV), forces (eV/A), virials (eV): of the structure, shared by halves, and by neighbors."""

    energies: np.ndarray
    forces: np.ndarray
    virial: np.ndarray
    shares: np.ndarray
    centroid: np.ndarray


def systems(seed=0):
    """Name -> atoms: one structure for every kind of box."""
    rng = np.random.default_rng(seed)
    found = {
        "triclinic": boxed([[6.5, 0, 0], [1.9, 6.0, 0], [-1.2, 1.4, 6.3]], 20, rng),
        "slab": boxed([[7.0, 0, 0], [2.1, 6.4, 0], [0, 0, 5.0]], 16, rng, pbc=(True, True, False)),
        "wire": boxed([[5.0, 0, 0], [0, 5.0, 0], [0, 0, 8.0]], 14, rng, pbc=(False, False, True)),
        "small_cell": boxed([[2.4, 0, 0], [0.7, 2.3, 0], [0.4, -0.6, 2.5]], 2, rng),
    }
    corner = boxed(5.0 * np.eye(3), 9, rng, pbc=False)
    corner.set_cell(np.diag([40.0, 38.0, 36.0]))
    found["empty_corner"] = corner
    found["one_atom"] = Atoms("O", [[3.0, 3.0, 3.0]], cell=8.0 * np.eye(3), pbc=False)
    return found


def boxed(cell, n_atoms, rng, pbc=True):
    """Random atoms of all elements; a box that is not periodic gets room around them."""
    atoms = Atoms(rng.choice(ELEMENTS, n_atoms), np.zeros((n_atoms, 3)), cell=cell, pbc=pbc)
    atoms.positions = place(atoms, rng)
    for axis in np.flatnonzero(~atoms.pbc):
        atoms.positions[:, axis] += 1.0
        atoms.cell[axis, axis] += 2.0
    return atoms


def write_data(path, atoms):
    """Data file in full precision; the cell must be lower triangular."""
    (lx, _, _), (xy, ly, _), (xz, yz, lz) = atoms.cell.array.tolist()
    rows = [
        f"{n + 1} {ELEMENTS.index(symbol) + 1} {x!r} {y!r} {z!r}"
        for n, (symbol, (x, y, z)) in enumerate(zip(atoms.symbols, atoms.positions.tolist(), strict=True))
    ]
    tilt = f"{xy!r} {xz!r} {yz!r} xy xz yz\n" if any((xy, xz, yz)) else ""
    masses = "1 1.008\n2 15.999\n3 28.086\n"
    path.write_text(
        f"mlpot\n\n{len(atoms)} atoms\n3 atom types\n0 {lx!r} xlo xhi\n0 {ly!r} ylo yhi\n0 {lz!r} zlo zhi\n{tilt}\n"
        f"Masses\n\n{masses}\nAtoms\n\n" + "\n".join(rows) + "\n"
    )


def boundary(atoms):
    return " ".join("p" if periodic else "f" for periodic in atoms.pbc)


def results_in_python(model, atoms):
    """Results of a loaded model by the definitions of the package, and the virials by neighbors."""
    graph = graph_from_atoms(atoms, model.manifest.atomic_numbers, model.manifest.cutoff)
    with torch.jit.optimized_execution(False):
        prediction = evaluate(model.module, graph, atomic_virials=True)
        vectors = graph.edge_vectors.clone().requires_grad_(True)
        energy = model.module(graph.species, graph.edge_index, vectors).sum()
        gradient = torch.autograd.grad(energy, vectors)[0]
    centroid = torch.zeros(len(atoms), 3, 3, dtype=torch.float64)
    centroid.index_add_(0, graph.edge_index[1], -graph.edge_vectors.unsqueeze(2) * gradient.unsqueeze(1))
    return Results(
        prediction.atomic_energies.numpy(),
        prediction.forces.numpy(),
        prediction.virial[0].numpy(),
        prediction.atomic_virials.numpy(),
        centroid.numpy(),
    )


def from_voigt(values):
    """LAMMPS' 6 components (xx yy zz xy xz yz) or 9 (and yx zx zy) as tensors."""
    order = [0, 3, 4, 3, 1, 5, 4, 5, 2] if values.shape[-1] == 6 else [0, 3, 4, 6, 1, 5, 7, 8, 2]
    return values[..., order].reshape(*values.shape[:-1], 3, 3)


def read_dump(path, frame=-1):
    """Columns of one frame of a dump, sorted by the atoms' numbers."""
    text = path.read_text().split("ITEM: TIMESTEP")[1:][frame]
    header, _, rows = text.partition("ITEM: ATOMS ")[2].partition("\n")
    table = np.array([row.split() for row in rows.strip().splitlines()], dtype=np.float64)
    return dict(zip(header.split(), table[np.argsort(table[:, header.split().index("id")])].T, strict=True))


def assert_close(got, expected, tolerance=1e-10, floor=1e-3):
    """Largest deviation relative to the largest value (at least `floor`: nothing divides by a sum that cancels)."""
    scale = max(np.abs(expected).max(), floor)
    deviation = np.abs(np.asarray(got) - expected).max() / scale
    assert deviation < tolerance, f"relative deviation {deviation:.1e}"
