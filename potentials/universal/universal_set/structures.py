"""Which structures a shard is made of. Everything random in job `index` of a shard comes from its own seed.

A shard has so many jobs of each kind, in a fixed and well mixed order, so that every part of it is balanced. Its number
decides the version: from some shard on, a later version with another plan holds. Shards before the first plan are of
version 1, whose thermal displacements were not the same on every machine: their labels stay, but cannot be made again.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from universal_set.kinds import MAKERS, Draw
from universal_set.recipes import Recipe
from universal_set.seeds import Seeds


class Plan(NamedTuple):
    """What shards of one version consist of."""

    first_shard: int
    jobs: Mapping[str, int]  # of each kind, in a shard
    begun: Mapping[str, int] = MappingProxyType(
        {}
    )  # jobs of a kind in all shards of earlier versions, for kinds that take turns


_USUAL = {
    "near": 76,
    "thermal": 46,
    "relaxed": 16,
    "dynamics": 8,
    "pressed": 4,
    "hot": 12,
    "volume": 13,
    "swapped": 14,
    "alloy": 8,
    "element": 14,
    "defect": 11,
    "slab": 11,
    "interface": 7,
    "packing": 7,
    "molecular": 7,
    "cluster": 8,
    "molecule": 10,
    "atom": 3,
    "trimer": 10,
    "dimer": 160,
}
PLANS = {
    2: Plan(first_shard=2, jobs=_USUAL | {"binary": 40}, begun={"element": 108, "atom": 24, "dimer": 1000}),
    3: Plan(
        first_shard=7,
        jobs=_USUAL | {"compound": 40},
        begun={"element": 178, "atom": 39, "dimer": 1800, "compound": 200},
    ),
}


class Job(NamedTuple):
    """A recipe with the kind and the source of its structures."""

    kind: str
    source: str
    recipe: Recipe


def version_of(shard: int) -> int:
    """Version of the plan that holds for a shard."""
    known = [version for version, plan in PLANS.items() if plan.first_shard <= shard]
    if not known:
        raise ValueError(f"expected a shard from {min(p.first_shard for p in PLANS.values())} on, got {shard}")
    return max(known)


def order_of_kinds(version: int) -> list[tuple[str, int]]:
    """Kind of each job of a shard, and its number among the jobs of that kind."""
    jobs = PLANS[version].jobs
    places = [((n + 0.5) / count, kind, n) for kind, count in jobs.items() for n in range(count)]
    return [(kind, n) for _, kind, n in sorted(places)]


def make_job(seeds: Seeds, shard: int, index: int) -> Job:
    """Job `index` of a shard."""
    version = version_of(shard)
    plan = PLANS[version]
    kind, n = order_of_kinds(version)[index]
    rank = plan.begun.get(kind, 0) + (shard - plan.first_shard) * plan.jobs[kind] + n
    source, recipe = MAKERS[kind](Draw(seeds, np.random.default_rng([version, shard, index]), rank))
    return Job(kind, source, recipe)
