"""Batches of about equal numbers of atoms, in a new order in each epoch.

The order depends on (seed, epoch) alone, so a resumed run has the same batches.
Nothing is padded, so batches mix sizes: each has nearly the same cost, and none holds large cells only.
"""

import heapq

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]


def count_batches(n_atoms: IntArray, batch_atoms: int) -> int:
    """Batches in an epoch; the same in every epoch."""
    return max(1, min(len(n_atoms), round(float(n_atoms.sum()) / batch_atoms)))


def plan_epoch(n_atoms: IntArray, batch_atoms: int, seed: int, epoch: int) -> list[IntArray]:
    """Divide an epoch into batches.

    Parameters
    ----------
    n_atoms : (n_samples,)
    batch_atoms : int
        Target; a structure that is larger makes a larger batch.
    seed, epoch : int

    Returns
    -------
    list of (n_in_batch,)
        Every index once.
    """
    generator = np.random.default_rng([seed, epoch])
    order = generator.permutation(len(n_atoms))
    # Large structures are distributed first and small ones fill the gaps. Only the power of two of the size counts,
    # so that the composition of batches stays random.
    order = order[np.argsort(-np.floor(np.log2(n_atoms[order])), kind="stable")]
    batches = _distribute(order, n_atoms, count_batches(n_atoms, batch_atoms))
    return [batches[k] for k in generator.permutation(len(batches)) if len(batches[k])]


def plan_evaluation(n_atoms: IntArray, batch_atoms: int) -> list[IntArray]:
    """Batches for scoring: in order of size, none above `batch_atoms` unless a structure is."""
    batches: list[list[int]] = []
    filled = 0
    for index in np.argsort(n_atoms, kind="stable"):
        if not batches or filled + n_atoms[index] > batch_atoms:
            batches.append([])
            filled = 0
        batches[-1].append(int(index))
        filled += int(n_atoms[index])
    return [np.array(batch, dtype=np.int64) for batch in batches]


def share_of(batch: IntArray, n_atoms: IntArray, rank: int, n_processes: int) -> IntArray:
    """Part of a batch that one of several processes computes; parts hold about equal numbers of atoms."""
    if n_processes == 1:
        return batch
    order = batch[np.argsort(-n_atoms[batch], kind="stable")]
    return _distribute(order, n_atoms, n_processes)[rank]


def _distribute(order: IntArray, n_atoms: IntArray, n_parts: int) -> list[IntArray]:
    """Distribute structures in `order`, each to the part with the fewest atoms so far."""
    parts: list[list[int]] = [[] for _ in range(n_parts)]
    heap = [(0, part) for part in range(n_parts)]
    for index in order:
        filled, part = heapq.heappop(heap)
        parts[part].append(int(index))
        heapq.heappush(heap, (filled + int(n_atoms[index]), part))
    return [np.array(part, dtype=np.int64) for part in parts]
