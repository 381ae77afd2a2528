"""Training on the native kernels: energies and forces that a loss can be differentiated through, without torch's graph.

A loss depends on the atomic energies and on ``g_ij = dE/dr_ij``. Both come from the native engine; in the backward
pass it returns the derivative of the loss with respect to its tables, from one evaluation in dual numbers along the
direction ``dL/dg_ij`` (``plugins/native/training/training_kernel.cpp``). Torch needs no second derivatives: it only
propagates the gradient from the tables to the weights (`folding`).

The tables of a batch are those of the elements in it: the cost of a step does not depend on how many the model has.
"""

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mlpot.engines.native import is_built
from mlpot.errors import EngineError
from mlpot.model import Potential, Prediction, evaluate
from mlpot.model.derivatives import assemble
from mlpot.model.graph import Graph
from mlpot.model_file.torchscript import plain_tensors
from mlpot.running.cores import warn_of_threads
from mlpot.training.folding import folded_tables

Derivatives = Callable[..., Prediction]
"""``(potential, graph, training=False) -> Prediction``, as `mlpot.model.evaluate`."""


def choose_derivatives(potential: Potential, engine: Literal["auto", "native", "torch"]) -> tuple[Derivatives, str]:
    """Choose the function that computes energies, forces and their gradients in a training.

    Parameters
    ----------
    potential : Potential
        On the device of the run, in its dtype.
    engine : {"auto", "native", "torch"}
        auto: native on the CPU where it is built, else torch.

    Returns
    -------
    derivatives : callable
    name : str
        Of the engine that was chosen.

    Raises
    ------
    EngineError
        The native engine is requested and cannot run.
    """
    on_cpu = next(potential.parameters()).device.type == "cpu"
    if engine == "native" or (engine == "auto" and on_cpu and is_built()):
        return NativeDerivatives(potential, torch.get_num_threads()), "native"
    return evaluate, "torch"


class NativeDerivatives:
    """`mlpot.model.evaluate` on the native kernels, for potentials of one architecture on the CPU.

    Parameters
    ----------
    potential : Potential
        Only its architecture, elements and constants are used, not its weights; the density gate is open.
    threads : int

    Raises
    ------
    EngineError
        The native engine is not built, or the potential is not on the CPU.
    """

    def __init__(self, potential: Potential, threads: int) -> None:
        if not is_built():
            raise EngineError("training.engine native needs the native engine, which is not built: see `mlpot doctor`")
        from mlpot._native import Threads, Trainer  # noqa: PLC0415  # compiled, may be missing

        weight = next(potential.parameters())
        if weight.device.type != "cpu":
            raise EngineError(f"training.engine native runs on the cpu, got device {weight.device}: use engine torch")
        precision = "double" if weight.dtype == torch.float64 else "mixed"
        team = Threads(threads)  # of all trainers
        warn_of_threads(threads, team.n_threads)
        self._make_trainer = partial(Trainer, precision=precision, threads=team)
        self._elements = _Elements.of(potential)
        self._kernels: dict[int, _Kernels] = {}
        trainer = self._kernels_for(1, potential).trainer
        self._coefficients = [
            torch.from_numpy(trainer.polynomial_coefficients(index)).to(weight.dtype)
            for index in range(potential.n_layers)
        ]

    def __call__(self, potential: Potential, graph: Graph, *, training: bool = False) -> Prediction:
        """Evaluate a potential.

        Parameters
        ----------
        potential : Potential
            Of the architecture that this was made for.
        graph : Graph
        training : bool
            Keep the graph for the derivative of a loss on energies, forces and virials.

        Returns
        -------
        Prediction
        """
        present, species = torch.unique(graph.species, return_inverse=True)
        kernels = self._kernels_for(len(present), potential)
        with torch.set_grad_enabled(training):
            tables = folded_tables(potential, self._coefficients, present)
            batch = _Batch(kernels, self._elements.only(present), _rows(graph, species))
            energies, gradient = _Energies.apply(batch, *tables)  # type: ignore[no-untyped-call]
            return assemble(graph, energies, gradient, atomic_virials=False)

    def _kernels_for(self, n_species: int, potential: Potential) -> "_Kernels":
        """Kernels for a number of elements; kept, as few different numbers occur."""
        if n_species not in self._kernels:
            numbers, energies = list(range(1, n_species + 1)), [0.0] * n_species
            with torch.random.fork_rng(devices=[]):
                stand_in = Potential(
                    potential.config, numbers, energies, potential.energy_scale, potential.average_neighbors
                )
            self._kernels[n_species] = _Kernels(self._make_trainer(_description(stand_in), plain_tensors(stand_in)))
        return self._kernels[n_species]


class _Elements(NamedTuple):
    """What a trainer needs of some elements besides weights: energies in eV, charge and radius of the repulsion."""

    reference_energies: Tensor
    charge: Tensor
    radius: Tensor

    @classmethod
    def of(cls, potential: Potential) -> "_Elements":
        repulsion = potential.repulsion
        none = potential.reference_energies.new_zeros(0)
        if repulsion is None:
            return cls(potential.reference_energies, none, none)
        return cls(potential.reference_energies, repulsion.charge, repulsion.radius)

    def only(self, species: Tensor) -> "_Elements":
        return _Elements(*(values[species] if len(values) else values for values in self))


Rows = tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int32], NDArray[np.float64]]


def _rows(graph: Graph, species: Tensor) -> Rows:
    """Species, first edge of each atom, neighbors, vectors."""
    center, neighbor = graph.edge_index.numpy()
    first = np.searchsorted(center, np.arange(len(species) + 1))
    vectors = np.ascontiguousarray(graph.edge_vectors.numpy())
    return species.numpy().astype(np.int32), first, neighbor.astype(np.int32), vectors


class _Kernels:
    """A trainer, and the batch whose elements and tables it has."""

    def __init__(self, trainer: Any) -> None:  # noqa: ANN401  # compiled
        self.trainer = trainer
        self.batch: _Batch | None = None


class _Batch(NamedTuple):
    """Structures for the kernels; species count the elements of the batch."""

    kernels: _Kernels
    elements: _Elements
    rows: Rows

    def trainer(self, tables: Sequence[Tensor]) -> Any:  # noqa: ANN401  # compiled
        """Give the trainer the elements and tables of this batch, unless it has them, and return it."""
        trainer = self.kernels.trainer
        if self.kernels.batch is not self:
            self.kernels.batch = None
            trainer.set_elements(*(values.tolist() for values in self.elements))
            trainer.fill(_arrays(tables))
            self.kernels.batch = self
        return trainer


class _Energies(torch.autograd.Function):
    """Tables to atomic energies ``(n_atoms,)`` and ``dE/dr_ij (n_edges, 3)``, in float64."""

    @staticmethod
    def forward(ctx: Any, batch: _Batch, *tables: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ANN401
        species, _, _, vectors = batch.rows
        energies = torch.zeros(len(species), dtype=torch.float64)
        gradient = torch.zeros(vectors.shape, dtype=torch.float64)
        batch.trainer(tables).evaluate(*batch.rows, energies.numpy(), gradient.numpy())
        ctx.batch = batch
        ctx.save_for_backward(*tables)
        return energies, gradient

    @staticmethod
    def backward(ctx: Any, *seeds: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        tables: Sequence[Tensor] = ctx.saved_tensors
        results = [torch.empty_like(table) for table in tables]
        energy_seeds, edge_seeds = (seed.contiguous().numpy() for seed in seeds)
        batch: _Batch = ctx.batch
        batch.trainer(tables).differentiate(*batch.rows, energy_seeds, edge_seeds, _arrays(results))
        return (None, *results)


def _arrays(tensors: Sequence[Tensor]) -> list[NDArray[Any]]:
    return [tensor.detach().numpy() for tensor in tensors]


def _description(potential: Potential) -> bytes:
    """Write the part of a manifest that the engine reads."""
    content = {
        "config": potential.config.model_dump(),
        "atomic_numbers": potential.atomic_numbers,
        "reference_energies": potential.reference_energies.tolist(),
        "energy_scale": potential.energy_scale,
        "average_neighbors": potential.average_neighbors,
    }
    return json.dumps(content).encode()
