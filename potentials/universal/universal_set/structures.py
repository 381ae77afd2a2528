"""Which structures a shard is made of. Everything random in job `index` of a shard comes from its own seed.

A shard has so many jobs of each kind, in a fixed and well mixed order, so that every part of it is balanced. Its number
decides the version: from some shard on, a later version with another plan holds.
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


PLANS = {
    1: Plan(
        first_shard=0,
        jobs={
            "near": 230,
            "thermal": 140,
            "relaxed": 60,
            "dynamics": 32,
            "hot": 45,
            "volume": 45,
            "swapped": 60,
            "alloy": 24,
            "element": 54,
            "defect": 36,
            "slab": 36,
            "packing": 22,
            "cluster": 24,
            "molecule": 36,
            "atom": 12,
            "trimer": 30,
            "dimer": 500,
        },
    ),
    2: Plan(
        first_shard=5,
        jobs={
            "near": 230,
            "thermal": 140,
            "relaxed": 50,
            "dynamics": 24,
            "pressed": 12,
            "hot": 36,
            "volume": 40,
            "swapped": 40,
            "binary": 110,
            "alloy": 24,
            "element": 40,
            "defect": 32,
            "slab": 32,
            "interface": 20,
            "packing": 20,
            "molecular": 20,
            "cluster": 24,
            "molecule": 30,
            "atom": 6,
            "trimer": 30,
            "dimer": 250,
        },
        begun={"element": 270, "atom": 60, "dimer": 2500},
    ),
}


class Job(NamedTuple):
    """A recipe with the kind and the source of its structures."""

    kind: str
    source: str
    recipe: Recipe


def version_of(shard: int) -> int:
    """Version of the plan that holds for a shard."""
    return max(version for version, plan in PLANS.items() if plan.first_shard <= shard)


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
