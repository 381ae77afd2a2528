"""Cuts a part that DFT can compute out of a large frame: periodic, around the most uncertain atom.

The part is a box along the vectors of the cell. Its lengths are those for which the atoms beyond each face are most
similar to the images that the new periodicity puts there: whole lattice vectors of a crystal, also of a hot one. Atoms
too close to an image are removed, but never one of the environment of the uncertain atom, which stays unchanged.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from mlpot.data.structure import FloatArray
from mlpot.errors import DataError
from mlpot.neighbors.matscipy import neighbor_list
from mlpot.neighbors.overlap import CLOSEST_IN_CUTOUT

GRID = 0.1
"""Step (A) of the lengths that are tried."""

LAYER = 2.5
"""Thickness (A) of the layer of atoms that is compared beyond a face."""

BEST = 8
"""Number of lengths of each axis that are combined with those of the other axes."""

WIDTH = 6.0
"""Half the width (A) of the column in which faces are compared."""

WORTH = 0.05
"""Weight (A) of the number of atoms, over the largest one, against the misfit."""


@dataclass(frozen=True, eq=False)
class Cutout:
    """A part of a frame.

    Attributes
    ----------
    atoms : ase.Atoms
    parents : (n_atoms,)
        Index of each atom in the frame.
    core : (n_atoms,), bool
        Atoms whose environment is that of the frame: the uncertain one and its neighbors within the radius.
    center : int
        Index of the uncertain atom in the part.
    misfit : float, A
        Distance between atoms beyond the faces and the images that replace them, root mean square.
    removed : int
        Number of atoms removed at the boundary.
    """

    atoms: Atoms
    parents: NDArray[np.int64]
    core: NDArray[np.bool_]
    center: int
    misfit: float
    removed: int

    def summary(self, n_frame: int) -> str:
        """Describe the part, out of a frame with this number of atoms."""
        lengths = " x ".join(f"{length:.1f}" for length in self.atoms.cell.lengths())
        return (
            f"{len(self.atoms)} of {n_frame} atoms around atom {self.parents[self.center]}, {lengths} A, "
            f"{int(self.core.sum())} of them as in the frame, {self.removed} removed at the boundary, "
            f"misfit {self.misfit:.2f} A"
        )


def cut_out(
    frame: Atoms, uncertainty: FloatArray, *, max_atoms: int, radius: float, closest: float = CLOSEST_IN_CUTOUT
) -> Cutout:
    """Cut the environment of the most uncertain atom out of a frame.

    Parameters
    ----------
    frame : ase.Atoms
    uncertainty : (n_atoms,), eV/A
    max_atoms : int
        Size of the largest DFT calculation. A frame that is not larger is returned whole.
    radius : float, A
        Of the environment that is kept, for example the cutoff of the model.
    closest : float
        Of pairs across the boundary that are nearer than this multiple of the sum of covalent radii, one atom is
        removed.

    Raises
    ------
    DataError
        The environment alone has more atoms, or comes too close to itself, or `uncertainty` has another shape.
    """
    if np.shape(uncertainty) != (len(frame),):
        raise DataError(f"`uncertainty` must have shape ({len(frame)},), got {np.shape(uncertainty)}")
    center = int(np.argmax(uncertainty))
    if len(frame) <= max_atoms:
        everything = np.arange(len(frame))
        return Cutout(frame.copy(), everything, np.ones(len(frame), dtype=bool), center, 0.0, 0)
    box = _Box(frame, center)
    for sides in box.best(max_atoms, radius):
        parents = box.inside(sides)
        part = box.part(parents, sides)
        distances = np.linalg.norm(part.positions - part.positions[parents == center], axis=1)
        kept = _without_overlaps(part, sides, distances, radius, closest)
        if kept is not None:
            break
    else:
        raise DataError(
            f"in every box of {max_atoms} atoms, atoms of the environment within {radius:g} A come too close to each "
            "other's images: raise `max_atoms` or lower `radius`"
        )
    part, removed = part[kept], len(part) - len(kept)
    core = distances[kept] <= radius
    return Cutout(part, parents[kept], core, int(np.flatnonzero(parents[kept] == center)[0]), misfit_of(sides), removed)


class _Box:
    """Boxes around an atom of a frame, along the vectors of its cell; only periodic directions are cut."""

    def __init__(self, frame: Atoms, center: int) -> None:
        self.frame = frame
        self.cell = frame.cell.complete().array
        self.heights = 1.0 / np.linalg.norm(np.linalg.inv(self.cell), axis=0)
        scaled = (frame.positions - frame.positions[center]) @ np.linalg.inv(self.cell)
        self.scaled = scaled - np.where(frame.pbc, np.round(scaled), 0.0)  # the atom is at zero

    def inside(self, box: Sequence["_Side"]) -> NDArray[np.int64]:
        """Atoms in the box."""
        low = np.array([side.low for side in box]) / self.heights
        high = np.array([side.high for side in box]) / self.heights
        return np.flatnonzero(((self.scaled >= low) & (self.scaled < high)).all(axis=1))

    def part(self, parents: NDArray[np.int64], box: Sequence["_Side"]) -> Atoms:
        """Atoms of the box in the cell that the box becomes."""
        whole = np.array([np.isinf(side.length) for side in box])
        scale = np.where(whole, 1.0, np.array([side.length for side in box]) / self.heights)
        low = np.where(whole, -0.5, np.array([side.low for side in box]) / self.heights)
        part = self.frame[parents]
        part.calc = None
        part.positions = (self.scaled[parents] - low) @ self.cell
        part.set_cell(np.where(self.frame.cell.any(axis=1)[:, None], self.cell * scale[:, None], 0.0))
        return part

    def best(self, max_atoms: int, radius: float) -> list[tuple["_Side", ...]]:
        """Sides of the boxes that are small enough, in the order of misfit and size."""
        choices = [self._sides(axis, radius) for axis in range(3)]
        found = []
        for box in itertools.product(*choices):
            count = len(self.inside(box))
            if count <= max_atoms:
                found.append((misfit_of(box) + WORTH * count / max_atoms, box))
        if not found:
            least = len(self.inside([min(sides, key=lambda side: side.length) for sides in choices]))
            raise DataError(
                f"the environment within {radius:g} A needs a box of {least} atoms, but `max_atoms` is {max_atoms}: "
                "raise `max_atoms` or lower `radius`"
            )
        return [sides for _, sides in sorted(found, key=lambda one: one[0])]

    def _sides(self, axis: int, radius: float) -> list["_Side"]:
        """Sides along one axis: those of the smallest misfit, the shortest one, and the whole cell."""
        shortest, height = 2.0 * radius + 1e-6, float(self.heights[axis])
        whole = _Side(-np.inf, np.inf, 0.0)
        if not self.frame.pbc[axis] or shortest + GRID >= height:
            return [whole]
        lengths = np.arange(shortest, height - GRID, GRID)
        tried = sorted((self._side(axis, length, radius) for length in lengths), key=lambda side: side.misfit)
        refined = [self._refined(axis, side.length, shortest, radius) for side in tried[:BEST]]
        return [*refined, self._side(axis, shortest, radius), whole]

    def _refined(self, axis: int, length: float, shortest: float, radius: float) -> "_Side":
        """Side with the smallest misfit of lengths near a good one, in steps of GRID / 20."""
        finer = np.arange(max(shortest, length - GRID), length + GRID, GRID / 20)
        return min((self._side(axis, one, radius) for one in finer), key=lambda side: side.misfit)

    def _side(self, axis: int, length: float, radius: float) -> "_Side":
        """Side of a length, moved so that its faces are far from atoms but not from the environment."""
        along = self.scaled[self._column(axis), axis] * self.heights[axis]
        slack = max(0.5 * length - radius, 0.0)
        lows = -0.5 * length + np.linspace(-slack, slack, 21)
        faces = np.concatenate([lows, lows + length])
        gaps = np.abs(faces[:, None] - along).min(axis=1).reshape(2, -1).min(axis=0)
        low = float(lows[np.argmax(gaps)])
        return _Side(low, float(length), self._misfit(axis, low, float(length)))

    def _misfit(self, axis: int, low: float, length: float) -> float:
        """Distance between the atoms beyond both faces and the images that replace them, root mean square."""
        along = self.scaled[:, axis] * self.heights[axis] - low
        shift = self.cell[axis] * length / self.heights[axis]
        column, squares = self._column(axis), []
        for sign, outside in ((1.0, along - length), (-1.0, -along)):
            beyond = self._positions(column & (outside >= 0.0) & (outside < LAYER))
            # Images come from a thicker layer, so that an atom near its edge finds its partner.
            images = self._positions(column & (outside + length >= -LAYER / 2) & (outside + length < 1.5 * LAYER))
            if len(beyond) and len(images):
                squares.append(cKDTree(images + sign * shift).query(beyond)[0] ** 2)
        return float(np.sqrt(np.mean(np.concatenate(squares)))) if squares else np.inf

    def _column(self, axis: int) -> NDArray[np.bool_]:
        """Atoms in a column along an axis, around the center."""
        others = [one for one in range(3) if one != axis]
        near: NDArray[np.bool_] = (np.abs(self.scaled[:, others]) * self.heights[others] < WIDTH).all(axis=1)
        return near

    def _positions(self, chosen: NDArray[np.bool_]) -> FloatArray:
        positions: FloatArray = self.scaled[chosen] @ self.cell
        return positions


@dataclass(frozen=True)
class _Side:
    """One direction of a box: lower end relative to the center, and length (A); infinite if not cut."""

    low: float
    length: float
    misfit: float

    @property
    def high(self) -> float:
        """Upper end relative to the center."""
        return self.low + self.length if np.isfinite(self.length) else np.inf


def misfit_of(box: Sequence[_Side]) -> float:
    """Misfit of all faces, root mean square."""
    return float(np.sqrt(np.mean([side.misfit**2 for side in box])))


def _without_overlaps(
    part: Atoms, box: Sequence[_Side], distances: FloatArray, radius: float, closest: float
) -> NDArray[np.int64] | None:
    """Find the atoms that stay: of each pair that is too close across a face, the one farther from the center goes.

    None if both belong to the environment of the center, which must stay.
    """
    radii = covalent_radii[part.numbers]
    cut = [np.isfinite(side.high) for side in box]
    i, j, D, S = neighbor_list(part, float(2 * closest * radii.max()))
    close = (np.linalg.norm(D, axis=1) < closest * (radii[i] + radii[j])) & S[:, cut].any(axis=1)
    removed: set[int] = set()
    for first, second in sorted(zip(i[close], j[close], strict=True)):
        farther = int(max(first, second, key=lambda one: (distances[one], one)))
        if distances[farther] <= radius:
            return None
        if first not in removed and second not in removed:
            removed.add(farther)
    return np.array([index for index in range(len(part)) if index not in removed], dtype=np.int64)
