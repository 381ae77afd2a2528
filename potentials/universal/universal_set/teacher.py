"""Nequix (MIT license, (c) 2025 Teddy Koker; arXiv:2508.16067, arXiv:2601.07742) as a batch labeller on a CPU.

It runs through the torch form of the model: nothing is compiled again for new shapes, and batches are filled by edges.
Needs ``pip install nequix torch==2.13.0 e3nn matscipy``; 0.2 ms an edge and core, 1.2 GB of memory.
"""

import os
import shutil
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["JAX_PLATFORMS"] = "cpu"
import numpy as np
import torch
from ase import Atoms
from matscipy.neighbours import neighbour_list
from nequix.torch_impl.model import load_model

from universal_set.geometry import boxed
from universal_set.products import accelerate
from universal_set.recipes import Label

EDGES_PER_BATCH = 1500  # more does not pay on a core


def torch_form(weights: Path, folder: Path) -> Path:
    """Torch form of the weights `weights` (.nqx), converted into `folder` on the first call."""
    converted = folder / f"{weights.stem}.pt"
    if not converted.exists():
        from nequix.calculator import from_pretrained  # noqa: PLC0415 - jax is needed for this alone

        copy = folder / weights.name  # the package writes beside the file that it reads
        shutil.copyfile(weights, copy)
        from_pretrained(weights.stem, copy, backend="torch", use_kernel=False)
    return converted


class Teacher:
    """Labels of lists of structures; what is not periodic is put into a box."""

    def __init__(self, converted: Path) -> None:
        torch.set_num_threads(1)
        self.model, config = load_model(str(converted), False)
        self.model.eval().to(torch.float32)
        accelerate(self.model)
        self.species = {z: index for index, z in enumerate(sorted(config["atomic_numbers"]))}
        self.cutoff = config["cutoff"]

    def __call__(self, structures: list[Atoms]) -> list[Label]:
        """Labels in the order of `structures`."""
        graphs = [self._graph(atoms) for atoms in structures]
        labels: dict[int, Label] = {}
        for members in _batches([graph[1].size for graph in graphs]):
            labels |= zip(members, self._label([graphs[k] for k in members]), strict=True)
        return [labels[k] for k in range(len(structures))]

    def _graph(self, atoms: Atoms) -> tuple[Atoms, np.ndarray, np.ndarray, np.ndarray]:
        """Periodic structure with centers, neighbors and shifts (n, 3) of its edges."""
        inside = boxed(atoms)
        edges = neighbour_list(
            "ijS", positions=inside.positions, cell=inside.cell.array, pbc=inside.pbc, cutoff=self.cutoff
        )
        return (inside, *edges)

    def _label(self, graphs: list[tuple[Atoms, np.ndarray, np.ndarray, np.ndarray]]) -> list[Label]:
        """Labels of one batch; atomic energies are added up in float64."""
        sizes = np.array([len(atoms) for atoms, *_ in graphs])
        starts = np.concatenate([[0], np.cumsum(sizes)])
        edges = [np.stack([j, i]) + start for (_, i, j, _), start in zip(graphs, starts[:-1], strict=True)]
        owner = _whole(np.repeat(np.arange(len(graphs)), sizes))
        energies, forces, stresses = self.model(
            _whole([self.species[z] for atoms, *_ in graphs for z in atoms.numbers]),
            _real(np.concatenate([atoms.positions for atoms, *_ in graphs])),
            _real(np.concatenate([shifts for *_, shifts in graphs])),
            _whole(np.concatenate(edges, axis=1)),
            _real(np.stack([atoms.cell.array for atoms, *_ in graphs])),
            _whole(sizes),
            _whole([i.size for _, i, _, _ in graphs]),
            owner,
        )
        totals = torch.zeros(len(graphs), dtype=torch.float64)
        totals.index_add_(0, owner, energies.detach().double().reshape(-1))
        all_forces = np.split(forces.detach().double().numpy(), starts[1:-1])
        all_stresses = stresses.detach().double().numpy()
        return [Label(float(e), f, s) for e, f, s in zip(totals, all_forces, all_stresses, strict=True)]


def _batches(edges: list[int]) -> list[list[int]]:
    """Group indices of structures by growing number of edges, at most EDGES_PER_BATCH together where possible."""
    groups: list[list[int]] = []
    room = -1
    for k in np.argsort(edges, kind="stable"):
        if not groups or edges[k] > room:
            groups.append([])
            room = EDGES_PER_BATCH
        groups[-1].append(int(k))
        room -= edges[k]
    return groups


def _real(values: np.ndarray) -> torch.Tensor:
    return torch.as_tensor(np.asarray(values), dtype=torch.float32)


def _whole(values: np.ndarray | list[int]) -> torch.Tensor:
    return torch.as_tensor(np.asarray(values), dtype=torch.int64)
