"""Multiply-adds of a model per atom, counted from its architecture and the native kernels.

A fused multiply-add counts once, as does a single product or sum; a multiply-add is two floating point operations.
`needed` counts the operations of the formulas; `executed` includes those that the kernels of ``plugins/native`` add
because vectors have a fixed length: empty lanes, and padding of the last vector.
"""

from dataclasses import dataclass
from math import ceil

from mlpot.config import ModelConfig
from mlpot.model.contraction import Monomial, component_couplings, highest_power
from mlpot.model.density import coupling_matrix, coupling_paths

LANES = 16
"""float32 numbers in a vector of AVX-512."""

# Counted in plugins/native, per neighbor.
# Unit vectors, distance transform, sine, cosine and envelope; then one radial function and its derivative by the
# addition theorems.
_RADIAL_START = 66
_RADIAL_EACH = 12
# Forces and virial of one neighbor, in float64.
_FORCES = 20


@dataclass(frozen=True)
class Part:
    """Work of one kind.

    Attributes
    ----------
    name : str
    needed, executed : float
        Multiply-adds an atom and step.
    """

    name: str
    needed: float
    executed: float


@dataclass(frozen=True)
class Operations:
    """All the work of one atom in one step.

    Attributes
    ----------
    parts : tuple of Part
    """

    parts: tuple[Part, ...]

    @property
    def needed(self) -> float:
        """Multiply-adds of the formulas."""
        return sum(part.needed for part in self.parts)

    @property
    def executed(self) -> float:
        """Multiply-adds of the kernels."""
        return sum(part.executed for part in self.parts)

    @property
    def flop(self) -> float:
        """Floating point operations of the formulas."""
        return 2.0 * self.needed


def operations(config: ModelConfig, neighbors: float, lanes: int = LANES) -> Operations:
    """Count the work of an atom: energy and forces.

    Parameters
    ----------
    config : ModelConfig
    neighbors : float
        Inside the cutoff.
    lanes : int
        Numbers in a vector.

    Returns
    -------
    Operations
    """
    needed = _count(config, _Sizes.exact(config, neighbors))
    executed = _count(config, _Sizes.padded(config, neighbors, lanes))
    return Operations(tuple(Part(name, work, executed[name]) for name, work in needed.items()))


@dataclass(frozen=True)
class _Sizes:
    """Lengths of the loops: of the formulas, or of the kernels with padded vectors."""

    neighbors: float
    edges: float  # neighbors, filled up, where vectors run over them
    channels: int
    message_channels: int
    hidden: int
    radial: int  # where vectors run over the radial functions

    @classmethod
    def exact(cls, config: ModelConfig, neighbors: float) -> "_Sizes":
        widths = (config.n_channels, config.message_channels, config.readout_width, config.n_radial)
        return cls(neighbors, neighbors, *widths)

    @classmethod
    def padded(cls, config: ModelConfig, neighbors: float, lanes: int) -> "_Sizes":
        def whole(size: float, unit: int = lanes) -> int:
            return unit * ceil(size / unit)

        def half_or_whole(size: int) -> int:
            half = max(1, lanes // 2)
            return half if size <= half else whole(size)

        return cls(
            neighbors,
            whole(neighbors),
            whole(config.n_channels, 2 * lanes),
            whole(config.message_channels),
            whole(config.readout_width),
            half_or_whole(config.n_radial),
        )


def _count(config: ModelConfig, sizes: _Sizes) -> dict[str, float]:
    """Multiply-adds by kind, layer by layer, as `run_center` in plugins/native/kernels/kernel.cpp."""
    total: dict[str, float] = {}
    last = config.n_layers - 1
    for layer in range(config.n_layers):
        density, adjoint = (_species if layer == 0 else _messages)(config, sizes)
        neighborhood = _RADIAL_START + _RADIAL_EACH * config.n_radial + _harmonics(config.lmax)
        forward = {"radial functions, harmonics": sizes.edges * neighborhood, **density}
        # A layer before the last keeps nothing: it computes its densities once more on the way back.
        for work in [forward] * (1 if layer == last else 2) + [adjoint, _behind(config, sizes, layer == last)]:
            for name, amount in work.items():
                total[name] = total.get(name, 0.0) + amount
    return total


def _harmonics(lmax: int) -> int:
    """Count powers of z + i x; Legendre polynomials by their recurrence, and two products with a power if m > 0."""
    orders = [(m, lmax - m) for m in range(lmax + 1)]
    legendre = sum(2 * min(1, above) + 4 * max(0, above - 1) + 2 * (above + 1) * (m > 0) for m, above in orders)
    return 4 * max(0, lmax - 1) + legendre


def _harmonics_gradient(lmax: int) -> int:
    """Count the same with derivatives, sums over degrees for each order, and the projection onto the sphere."""
    orders = [(m, lmax - m) for m in range(lmax + 1)]
    legendre = sum(12 * above + 16 if m > 0 else 8 * above for m, above in orders)
    return 4 * max(0, lmax - 1) + legendre + 15


def _species(config: ModelConfig, sizes: _Sizes) -> tuple[dict[str, float], dict[str, float]]:
    """Density of the first layer, and its adjoint."""
    harmonics, n_radial = (config.lmax + 1) ** 2, config.n_radial
    add, mix = "sum over neighbors", "mix into channels"
    density = {add: sizes.neighbors * harmonics * sizes.radial, mix: harmonics * n_radial * sizes.channels}
    adjoint = {add: sizes.edges * harmonics * (2 * n_radial + 1), mix: harmonics * sizes.radial * sizes.channels}
    return density, adjoint


def _messages(config: ModelConfig, sizes: _Sizes) -> tuple[dict[str, float], dict[str, float]]:
    """Density of a later layer, and its adjoint."""
    degrees, harmonics = config.lmax + 1, (config.lmax + 1) ** 2
    width = (config.message_lmax + 1) ** 2 * sizes.message_channels
    paths = coupling_paths(config.lmax, config.message_lmax)
    rows = sum(2 * L + 1 for _, _, L in paths)
    entries = int((coupling_matrix(config.lmax, config.message_lmax).abs() > 1e-14).sum())
    radial = sizes.neighbors * degrees * config.n_radial * (config.message_lmax + 1) * sizes.message_channels
    shared = {
        "messages: radial functions": radial,
        "messages: coupling": float(entries * sizes.message_channels),
        "messages: mix into channels": float(rows * sizes.message_channels * sizes.channels),
    }
    add = "messages: sum over neighbors"
    density = {add: sizes.neighbors * (degrees + harmonics) * width}
    # of the weighted messages, of the harmonics, of messages and distances
    adjoint = {add: sizes.neighbors * (2 * harmonics + 3 * degrees) * width}
    return {**shared, **density}, {**shared, **adjoint}


def _behind(config: ModelConfig, sizes: _Sizes, is_last: bool) -> dict[str, float]:
    """Everything after the density, forward and backward, and the gradients of the edges."""
    leaves, inner, groups = contraction_tree(config, 0 if is_last else config.message_lmax)
    passes = 2 * leaves + 3 * inner
    linear = sizes.channels * (1 + 2 * sizes.hidden)
    if not is_last:  # one pass for the values, one for the gradient with weights
        passes += leaves + groups + inner + 2 * groups
        linear += 2 * (config.message_lmax + 1) ** 2 * sizes.channels * sizes.message_channels
    return {
        "contraction": passes * sizes.channels,
        "readout, outgoing messages": linear,
        "gradient of harmonics, forces": sizes.edges * (_harmonics_gradient(config.lmax) + _FORCES),
    }


def contraction_tree(config: ModelConfig, output_lmax: int) -> tuple[int, int, int]:
    """Count the nodes of the contraction's tree of monomials; every node is its parent times one component.

    Parents are chosen as in ``plugins/native/model/polynomial.cpp``.

    Returns
    -------
    leaves, inner, groups : int
        Monomials without children; the rest; leaves of one parent and one output component count as a group.
    """
    leaves = inner = groups = 0
    parents: list[Monomial] = []
    for power in range(config.correlation, 0, -1):
        terms = [
            (monomial, degree * degree + m)
            for degree in range(output_lmax + 1)
            if power <= highest_power(config, degree)
            for m, (monomials, _) in enumerate(component_couplings(config.lmax, power, degree))
            for monomial in monomials
        ]
        without = set(parents)
        childless: list[tuple[Monomial, int]] = []
        for product, component in terms:
            if product in without:  # the first term of a product has its children
                without.remove(product)
            else:
                childless.append((product, component))
        families = _families([product for product, _ in childless] + parents)
        components = [component for _, component in childless]
        inner += len(parents)
        leaves += len(childless)
        groups += sum(len({components[k] for k in family if k < len(childless)}) for family in families.values())
        parents = list(families)
    return leaves, inner, groups


def _families(products: list[Monomial]) -> dict[Monomial, set[int]]:
    """Places of products by their parents; the one that can have most of the remaining children comes next."""
    candidates: dict[Monomial, set[int]] = {}
    for k, product in enumerate(products):
        for part in _parts(product):
            candidates.setdefault(part, set()).add(k)
    candidates = dict(sorted(candidates.items()))
    families: dict[Monomial, set[int]] = {}
    while candidates:
        parent = max(candidates, key=lambda part: len(candidates[part]))
        family = candidates.pop(parent)
        if family:
            families[parent] = family
        for others in candidates.values():
            others.difference_update(family)
    return families


def _parts(product: Monomial) -> set[Monomial]:
    return {product[:k] + product[k + 1 :] for k in range(len(product))}
