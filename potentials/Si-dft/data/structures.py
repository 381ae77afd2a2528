"""The structures of the silicon data set: everything random in it comes from the fixed seeds of this file.

First step of the data set: ``all_structures()`` gives the list that ``make_dataset.py`` labels, ordered so that
whatever is finished at any time is a balanced subset. Hot structures come from molecular dynamics with the
Stillinger-Weber potential (PRB 31, 5262), which melts silicon and pairs up surface atoms at no cost; only the labels
have to be good. Structures of one ``group`` are correlated, and a whole group goes to one of the three splits.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import count

import numpy as np
from ase import Atoms, units
from ase.build import bulk, diamond100, diamond111
from ase.constraints import FixCom
from ase.lattice.hexagonal import HexagonalClosedPacked
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import thermalize_momenta
from matscipy.calculators.manybody import Manybody
from matscipy.calculators.manybody.explicit_forms import StillingerWeber
from matscipy.calculators.manybody.explicit_forms.stillinger_weber import Stillinger_Weber_PRB_31_5262_Si

SEED = 20261121
LATTICE_CONSTANT = 5.47  # A, PBE
VACUUM = 9.0  # A, between a slab or molecule and its images
SHORTEST_BOND = 1.8  # A; random structures with shorter bonds describe the core rather than silicon
ALL_AXES = (0, 1, 2)


def diamond(scale: float = 1.0, repeat: tuple[int, int, int] = (1, 1, 1)) -> Atoms:
    """Repeated cubic diamond cells of 8 atoms; the lattice constant is `scale` times that of PBE."""
    return bulk("Si", "diamond", a=LATTICE_CONSTANT * scale, cubic=True).repeat(repeat)


def diamond_of_size(n_atoms: int, scale: float = 1.0) -> Atoms:
    """Diamond cell of 8, 16, 32 or 64 atoms, which all sample reciprocal space alike."""
    return diamond(scale, {8: (1, 1, 1), 16: (1, 1, 2), 32: (1, 2, 2), 64: (2, 2, 2)}[n_atoms])


def shortest_distance(atoms: Atoms) -> float:
    """Shortest distance between two atoms, periodic images included, in A."""
    images = atoms.repeat(3)
    distances = np.linalg.norm(images.positions[:, None] - atoms.positions[None] - atoms.cell.array.sum(0), axis=-1)
    return float(distances[distances > 1e-8].min())


def strained(atoms: Atoms, rng: np.random.Generator, largest: float) -> Atoms:
    """Copy of `atoms` under a random symmetric strain with components up to `largest`, normal and shear."""
    strain = np.triu(rng.uniform(-largest, largest, (3, 3)))
    strain = strain + np.triu(strain, 1).T
    return deformed(atoms, strain)


def deformed(atoms: Atoms, strain: np.ndarray) -> Atoms:
    """Copy of `atoms` under the given (3, 3) strain."""
    result = atoms.copy()
    result.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    return result


def rattled(atoms: Atoms, rng: np.random.Generator, width: float) -> Atoms:
    """Copy of `atoms` with normal displacements of `width` A, drawn again until no two atoms are too close."""
    for _ in range(2000):
        result = atoms.copy()
        result.positions += rng.normal(scale=width, size=(len(atoms), 3))
        if shortest_distance(result) > SHORTEST_BOND:
            return result
    raise RuntimeError(f"no rattle of {width} A keeps all distances above {SHORTEST_BOND} A in {atoms}")


def dynamics(
    atoms: Atoms, rng: np.random.Generator, schedule: list[tuple[float, int]], n_snapshots: int, interval: int
) -> Iterator[Atoms]:
    """Snapshots of Langevin dynamics with the Stillinger-Weber potential.

    Parameters
    ----------
    atoms
        Starting structure.
    rng
        Source of velocities and random forces.
    schedule
        Pairs (temperature in K, number of steps of 2.5 fs), one after the other; the last temperature stays on.
    n_snapshots, interval
        Number of snapshots taken afterwards, and the steps before each.
    """
    moving = rattled(atoms, rng, 0.02)
    moving.calc = Manybody(**StillingerWeber(Stillinger_Weber_PRB_31_5262_Si))
    moving.set_constraint(FixCom())
    thermalize_momenta(moving, temperature_K=schedule[0][0], rng=rng)
    time_step, friction = 2.5 * units.fs, 0.02 / units.fs
    runner = Langevin(moving, time_step, temperature_K=schedule[0][0], friction=friction, rng=rng, fixcm=False)
    for temperature, steps in schedule:
        runner.set_temperature(temperature_K=temperature)
        runner.run(steps)
    for _ in range(n_snapshots):
        runner.run(interval)
        yield Atoms(moving.symbols, positions=moving.positions, cell=moving.cell, pbc=True)


def tag(atoms: Atoms, config_type: str, group: str, vacuum_axes: tuple[int, ...] = ()) -> Atoms:
    """Copy of `atoms` with the entries of ``info`` that the later steps read."""
    result = Atoms(atoms.symbols, positions=atoms.positions, cell=atoms.cell, pbc=True)
    result.info = {"config_type": config_type, "group": f"{config_type}-{group}", "vacuum_axes": vacuum_axes}
    return result


def equation_of_state(rng: np.random.Generator) -> Iterator[Atoms]:
    """Diamond from strong compression to strong expansion, in the cubic and in the primitive cell."""
    order = rng.permutation(14)
    for n in order:
        scale = np.linspace(0.87, 1.17, 14)[n]
        yield tag(diamond(scale), "diamond_eos", f"cubic-{scale:.3f}")
    for scale in (0.91, 1.0, 1.1):
        yield tag(bulk("Si", "diamond", a=LATTICE_CONSTANT * scale), "diamond_eos", f"primitive-{scale:.3f}")


def strains(rng: np.random.Generator) -> Iterator[Atoms]:
    """Diamond under simple strains (cheap, by symmetry) and under random ones."""
    uniaxial, shear = np.diag([0.0, 0.0, 1.0]), np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0.0]])
    trigonal = np.ones((3, 3)) - np.eye(3)
    simple = [(uniaxial, 0.06), (shear, 0.05), (trigonal, -0.04), (uniaxial, -0.07), (trigonal, 0.06), (shear, 0.08)]
    for n, (kind, size) in enumerate(simple):
        yield tag(deformed(diamond(), kind * size), "strained", f"simple-{n}")
        for m in range(2):
            atoms = strained(diamond(rng.uniform(0.98, 1.02)), rng, 0.04 + 0.04 * m)
            yield tag(rattled(atoms, rng, 0.01 + 0.03 * m), "strained", f"random-{2 * n + m}")


def rattles(rng: np.random.Generator) -> Iterator[Atoms]:
    """Diamond with random displacements of 0.02 to 0.3 A."""
    for n, width in enumerate([0.05, 0.2, 0.1, 0.02, 0.3, 0.15, 0.08, 0.25, 0.12, 0.03, 0.18, 0.06, 0.22]):
        atoms = diamond_of_size(16 if n % 4 == 2 else 8, rng.uniform(0.96, 1.05))
        yield tag(rattled(atoms, rng, width), "rattled", str(n))


def trajectory(
    rng: np.random.Generator, config_type: str, name: str, start: Atoms, schedule: list[tuple[float, int]], n: int
) -> Iterator[Atoms]:
    """`n` snapshots of one trajectory, as one group."""
    for atoms in dynamics(start, rng, schedule, n, 80):
        if shortest_distance(atoms) > SHORTEST_BOND:
            yield tag(atoms, config_type, name)


def hot_solids(rng: np.random.Generator) -> Iterator[Atoms]:
    """Diamond at 300 to 1600 K."""
    plan = [(8, 900), (16, 600), (8, 300), (8, 1400), (16, 1200), (32, 1000), (8, 1100), (8, 600), (16, 1600)]
    for n, (n_atoms, temperature) in enumerate(plan):
        start = diamond_of_size(n_atoms, rng.uniform(0.98, 1.02))
        schedule = [(temperature, 200)]
        yield from trajectory(rng, "hot_solid", str(n), start, schedule, 3 if n_atoms == 8 else 2)


def liquids(rng: np.random.Generator) -> Iterator[Atoms]:
    """Melts at 1700 to 2500 K, from 20 % denser than diamond (the real liquid: 10 %) to 10 % thinner."""
    sizes = [8, 16, 8, 8, 16, 32, 8, 16, 8, 16, 8, 32, 16, 8, 16, 8]
    for n, n_atoms in enumerate(sizes):
        start = diamond_of_size(n_atoms, rng.uniform(0.93, 1.03))
        schedule = [(6000.0, 200), (rng.uniform(1700, 2500), 200)]
        yield from trajectory(rng, "liquid", str(n), start, schedule, 2)


def amorphous(rng: np.random.Generator) -> Iterator[Atoms]:
    """Melts quenched to 300 K."""
    for n, n_atoms in enumerate([16, 8, 16, 8, 16, 32]):
        start = diamond_of_size(n_atoms, rng.uniform(0.97, 1.01))
        schedule = [(6000.0, 200), (1600.0, 200), (900.0, 150), (300.0, 100)]
        yield from trajectory(rng, "amorphous", str(n), start, schedule, 1)


def polymorph_cells() -> dict[str, Callable[[float], Atoms]]:
    """Other crystals as functions of a linear scale, about 1 at their own minimum."""
    return {
        "beta-tin": lambda s: Atoms(
            "Si4",
            scaled_positions=[(0, 0, 0), (0, 0.5, 0.25), (0.5, 0.5, 0.5), (0.5, 0, 0.75)],
            cell=np.array([4.81, 4.81, 2.66]) * s,
            pbc=True,
        ),
        "simple-cubic": lambda s: bulk("Si", "sc", a=2.53 * s).repeat((1, 1, 2)),
        "lonsdaleite": lonsdaleite,
        "fcc": lambda s: bulk("Si", "fcc", a=3.89 * s, cubic=True),
        "hcp": lambda s: HexagonalClosedPacked("Si", latticeconstant={"a": 2.72 * s, "c": 4.45 * s}),
        "bcc": lambda s: bulk("Si", "bcc", a=3.09 * s, cubic=True),
        "simple-hexagonal": lambda s: Atoms("Si", cell=[2.65 * s, 2.65 * s, 2.48 * s, 90, 90, 120], pbc=True).repeat(
            (1, 1, 2)
        ),
    }


def lonsdaleite(scale: float) -> Atoms:
    """Hexagonal diamond, 4 atoms."""
    u = 0.0625
    sites = [(1 / 3, 2 / 3, u), (2 / 3, 1 / 3, 0.5 + u), (1 / 3, 2 / 3, 0.5 - u), (2 / 3, 1 / 3, 1 - u)]
    cell = [3.85 * scale, 3.85 * scale, 6.36 * scale, 90, 90, 120]
    return Atoms("Si4", scaled_positions=sites, cell=cell, pbc=True)


def polymorphs(rng: np.random.Generator) -> Iterator[Atoms]:
    """Each polymorph at four volumes, and distorted."""
    cells = polymorph_cells()
    for scale in (1.0, 0.94, 1.07, 1.15):
        for name, cell in cells.items():
            yield tag(cell(scale), "polymorph", f"{name}-{scale}")
        distorted = [name for name in cells if scale in (1.0, 0.94) and name in ("beta-tin", "lonsdaleite", "fcc")]
        for name in distorted:
            atoms = rattled(strained(cells[name](rng.uniform(0.97, 1.05)), rng, 0.04), rng, 0.12)
            yield tag(atoms, "polymorph", f"{name}-distorted-{scale}")


def vacancies(rng: np.random.Generator) -> Iterator[Atoms]:
    """One atom missing from cells of 8 to 64, ideal and rattled."""
    plan = [(8, 0.0), (16, 0.1), (8, 0.15), (32, 0.05), (16, 0.2), (8, 0.05), (64, 0.0), (16, 0.03), (8, 0.25), (16, 0)]
    for n, (n_atoms, width) in enumerate([*plan, (32, 0.15)]):
        atoms = diamond_of_size(n_atoms, rng.uniform(0.98, 1.02) if width else 1.0)
        del atoms[0]
        yield tag(rattled(atoms, rng, width) if width else atoms, "vacancy", str(n))


def interstitials(rng: np.random.Generator) -> Iterator[Atoms]:
    """One atom too many: tetrahedral, hexagonal and bond-centered sites, and dumbbells, rattled."""
    sites = {"tetrahedral": (0.5, 0.5, 0.5), "hexagonal": (0.625, 0.625, 0.375), "bond": (0.125, 0.125, 0.125)}
    sites["near-bond"] = (0.2, 0.05, 0.125)
    for n, n_atoms in enumerate([8, 16, 8, 8, 16, 8, 8]):
        atoms = diamond_of_size(n_atoms, rng.uniform(1.0, 1.04))
        name = list(sites)[n % len(sites)]
        spread = atoms.copy()
        spread.append("Si")
        spread.positions[-1] = np.array(sites[name]) * diamond().cell.lengths()
        yield tag(relaxed(spread, rng, 15 + 5 * n), "interstitial", f"{name}-{n}")


def relaxed(atoms: Atoms, rng: np.random.Generator, steps: int) -> Atoms:
    """`atoms` after `steps` capped steps of steepest descent on the Stillinger-Weber energy and a small rattle."""
    moving = rattled_freely(atoms, rng, 0.05)
    moving.calc = Manybody(**StillingerWeber(Stillinger_Weber_PRB_31_5262_Si))
    for _ in range(steps):
        moving.positions += np.clip(0.03 * moving.get_forces(), -0.08, 0.08)
    return rattled(Atoms(moving.symbols, positions=moving.positions, cell=moving.cell, pbc=True), rng, 0.04)


def rattled_freely(atoms: Atoms, rng: np.random.Generator, width: float) -> Atoms:
    """Copy of `atoms` with normal displacements of `width` A, however close the atoms come."""
    result = atoms.copy()
    result.positions += rng.normal(scale=width, size=(len(atoms), 3))
    return result


def surfaces(rng: np.random.Generator) -> Iterator[Atoms]:
    """Slabs (001) and (111), ideal, rattled, and (001) 2 x 1 after dynamics that pairs up the surface atoms."""
    for n, width in enumerate([0.0, 0.1, 0.05, 0.2, 0.15, 0.08]):
        for name, layers in (("001", 8), ("111", 8)):
            build = diamond100 if name == "001" else diamond111
            slab = build("Si", size=(1, 1, layers), a=LATTICE_CONSTANT * rng.uniform(0.99, 1.02), vacuum=VACUUM / 2)
            slab = rattled_slab(slab, rng, width) if width else slab
            yield tag(slab, "surface", f"{name}-{n}", (2,))
        if n < 5:
            slab = diamond100("Si", size=(2, 1, 8), a=LATTICE_CONSTANT, vacuum=VACUUM / 2)
            slab.pbc = True
            schedule = [(1200.0, 150), ((300.0, 900.0)[n % 2], 60)]
            for atoms in dynamics(slab, rng, schedule, 1, 20):
                yield tag(atoms, "surface", f"2x1-{n}", (2,))


def rattled_slab(slab: Atoms, rng: np.random.Generator, width: float) -> Atoms:
    """Rattle of a periodic copy of `slab`."""
    slab = slab.copy()
    slab.pbc = True
    return rattled(slab, rng, width)


def clusters(rng: np.random.Generator) -> Iterator[Atoms]:
    """Si2 from 1.7 to 4.5 A and random clusters of 3 to 5 atoms, in vacuum."""
    for distance in (2.25, 1.9, 2.7, 3.3, 1.7, 2.1, 4.5, 2.45):
        atoms = Atoms("Si2", positions=[(0, 0, 0), (0, 0, distance)])
        atoms.center(vacuum=VACUUM / 2)
        yield tag(atoms, "cluster", f"dimer-{distance}", ALL_AXES)
        if distance in (1.9, 3.3, 2.1, 2.45):
            yield tag(random_cluster(rng, int(rng.integers(3, 6))), "cluster", f"random-{distance}", ALL_AXES)


def random_cluster(rng: np.random.Generator, n_atoms: int) -> Atoms:
    """Cluster in which every atom has a neighbor at 2.1 to 2.7 A and none below 2.1 A, in a box of vacuum."""
    positions = [np.zeros(3)]
    while len(positions) < n_atoms:
        direction = rng.normal(size=3)
        trial = positions[rng.integers(len(positions))] + direction / np.linalg.norm(direction) * rng.uniform(2.1, 2.7)
        if min(np.linalg.norm(trial - other) for other in positions) > 2.1:
            positions.append(trial)
    atoms = Atoms(f"Si{n_atoms}", positions=positions)
    atoms.center(vacuum=VACUUM / 2)
    return atoms


def random_packings(rng: np.random.Generator) -> Iterator[Atoms]:
    """Random positions in skewed cells at 14 to 26 A^3 per atom, softened until no bond is below the shortest."""
    for n, volume in enumerate([20, 16, 24, 18, 14, 26, 21]):
        cell = strained(diamond(), rng, 0.08).cell.array
        cell *= (8 * volume / abs(np.linalg.det(cell))) ** (1 / 3)
        atoms = Atoms("Si8", cell=cell, pbc=True, scaled_positions=rng.uniform(size=(8, 3)))
        atoms.positions += spread_out(atoms)
        yield tag(relaxed(atoms, rng, 5), "random", str(n))


def spread_out(atoms: Atoms) -> np.ndarray:
    """Displacements (n_atoms, 3) in A that push atoms apart until the shortest distance is 2.1 A."""
    moving = atoms.copy()
    for _ in range(1000):
        vectors = moving.get_all_distances(mic=True, vector=True)
        lengths = np.linalg.norm(vectors, axis=-1) + 10 * np.eye(len(moving))
        overlap = np.clip(2.15 - lengths, 0, None)
        if not overlap.any():
            break
        moving.positions -= 0.3 * np.einsum("ijx,ij->ix", vectors, overlap / lengths)
    return moving.positions - atoms.positions


def interleaved(families: list[list[Atoms]]) -> list[Atoms]:
    """All structures, each family spread evenly over the list."""
    keyed = [((n + 0.5) / len(family), atoms) for family in families for n, atoms in enumerate(family)]
    return [atoms for _, atoms in sorted(keyed, key=lambda pair: pair[0])]


def assign_splits(structures: list[Atoms]) -> None:
    """Write ``info["split"]``: of the groups of a config_type every seventh is for test, every eighth validates."""
    counters: dict[str, count[int]] = defaultdict(count)
    splits: dict[str, str] = {}
    for atoms in structures:
        group = atoms.info["group"]
        if group not in splits:
            n = next(counters[atoms.info["config_type"]])
            splits[group] = "test" if n % 7 == 2 else "validation" if n % 8 == 3 else "train"
        atoms.info["split"] = splits[group]


def all_structures() -> list[Atoms]:
    """Make the whole data set without labels, in the order in which to label it."""
    families = [
        equation_of_state,
        strains,
        rattles,
        hot_solids,
        liquids,
        amorphous,
        polymorphs,
        vacancies,
        interstitials,
        surfaces,
        clusters,
        random_packings,
    ]
    structures = interleaved([list(family(np.random.default_rng([SEED, n]))) for n, family in enumerate(families)])
    assign_splits(structures)
    return structures
