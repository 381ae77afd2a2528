"""Training set of the universal potential: generators without the teacher, files, and the shards that are committed."""

import hashlib
import itertools
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms, units
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from e3nn import o3

FOLDER = Path(__file__).parents[1] / "potentials" / "universal"
sys.path.insert(0, str(FOLDER))  # scripts with a package beside them, not a part of mlpot

import label  # noqa: E402
from held_out import LIST, is_test, read_held_out  # noqa: E402
from universal_set import geometry, kinds, shards, structures  # noqa: E402
from universal_set.builders import LATTICES, VACUUM, lattice, packing, substituted  # noqa: E402
from universal_set.elements import ELEMENTS, RELATIVES  # noqa: E402
from universal_set.labelling import LARGEST_FORCE, label_jobs  # noqa: E402
from universal_set.products import Messages  # noqa: E402
from universal_set.recipes import Ask, Label, dynamics, relaxation, single  # noqa: E402
from universal_set.seeds import Seeds  # noqa: E402

LABELS = FOLDER / "labels"
MANIFEST = shards.read_manifest(LABELS)["shards"]


def crystal(atoms: Atoms, name: str, kind: str = "xtal") -> Atoms:
    atoms.info.update(source="made/here", id=name, kind=kind)
    return atoms


@pytest.fixture(scope="module")
def seeds() -> Seeds:
    crystals = [
        crystal(bulk("NaCl", "rocksalt", a=5.64), "rocksalt"),
        crystal(bulk("GaAs", "zincblende", a=5.65), "zincblende"),
        crystal(bulk("CsCl", "cesiumchloride", a=4.12), "cesiumchloride"),
        crystal(bulk("Cu", "fcc", a=3.6, cubic=True), "copper"),
        crystal(bulk("MgO", "rocksalt", a=4.2), "hot", "hot"),
        crystal(bulk("Po", "sc", a=3.3), "no label for Po"),
        crystal(bulk("Cu", "fcc", a=3.6).repeat(4), "too large"),
    ]
    return Seeds(crystals, frozenset({"ClCs", "ClLi"}))


def quiet(atoms: list[Atoms]) -> list[Label]:
    """A teacher for whom nothing pulls."""
    return [Label(-1.0, np.zeros((len(a), 3)), np.zeros((3, 3))) for a in atoms]


def emt(atoms: list[Atoms]) -> list[Label]:
    """A teacher for copper."""
    labels = []
    for a in atoms:
        a.calc = EMT()
        stress = a.get_stress(voigt=False) if a.pbc.all() else np.zeros((3, 3))
        labels.append(Label(a.get_potential_energy(), a.get_forces(), stress))
    return labels


def run(recipe, teacher=emt) -> list[tuple[Atoms, Label]]:
    return [
        (f.atoms, f.label) for f in label_jobs({0: structures.Job("some", "here", recipe)}, teacher, lambda _: True)
    ]


# -- what is held out


def test_half_of_the_formulas_are_held_out_by_their_hash():
    held_out = LIST.read_text().split()
    assert held_out == sorted(set(held_out))
    assert all(is_test(formula) for formula in held_out)
    assert all(hashlib.sha256(formula.encode()).digest()[0] % 2 == 0 for formula in held_out)
    made_up = [f"Na{n}Cl{m}" for n in range(2, 40) for m in range(2, 40)]
    assert 0.45 < np.mean([is_test(formula) for formula in made_up]) < 0.55


def test_elements_are_never_held_out():
    assert not any(is_test(symbol) for symbol in ("Si", "H", "C", "O", "Fe", "U", "Tb"))
    assert all(sum(letter.isupper() for letter in formula) > 1 for formula in read_held_out())


def test_reduced_formulas_do_not_depend_on_the_cell():
    assert geometry.reduced_formula(bulk("NaCl", "rocksalt", a=5.6).repeat((1, 2, 3))) == "ClNa"


def test_seeds_leave_out_held_out_unknown_and_large_crystals(seeds):
    assert [a.info["id"] for a in seeds.crystals] == ["rocksalt", "zincblende", "copper", "hot"]
    assert not seeds.allows(bulk("CsCl", "cesiumchloride", a=4.12).repeat(2))
    assert seeds.elements[17] == 1
    assert seeds.pairs[11, 17] == 1


def test_calm_seeds_are_neither_hot_nor_squeezed(seeds):
    rng = np.random.default_rng(1)
    assert {seeds.crystal(rng).info["id"] for _ in range(60)} == {"rocksalt", "zincblende", "copper"}
    assert "hot" in {seeds.crystal(rng, calm=False).info["id"] for _ in range(60)}
    assert {len(seeds.crystal(rng, largest=3)) for _ in range(20)} == {2}


def test_the_rare_comes_more_often():
    common = [crystal(bulk("NaCl", "rocksalt", a=5.6 + 0.01 * n), f"{n}") for n in range(16)]
    seeds = Seeds([*common, crystal(bulk("KBr", "rocksalt", a=6.6), "rare")], frozenset())
    rng = np.random.default_rng(1)
    share = np.mean([seeds.crystal(rng).info["id"] == "rare" for _ in range(400)])
    assert share == pytest.approx(1 / (1 + 16 * 0.25), abs=0.06)  # 16 crystals, each a fourth of the weight
    pairs = [seeds.pair(rng) for _ in range(3000)]
    assert sum(2 in pair for pair in pairs) < 0.5 * sum(37 in pair for pair in pairs)  # helium and rubidium


# -- generators


@pytest.mark.parametrize("kind", list(kinds.MAKERS))
def test_structures_of_each_kind_are_sane(seeds, kind):
    version = next(version for version, plan in structures.PLANS.items() if kind in plan.jobs)
    first = structures.PLANS[version].first_shard
    for shard in (first, first + 1):
        index = [k for k, _ in structures.order_of_kinds(version)].index(kind)
        frames = label_jobs({index: structures.make_job(seeds, shard, index)}, quiet, seeds.allows)
        assert frames
        for frame in frames:
            assert frame.kind == kind
            assert 1 <= len(frame.atoms) <= 40
            assert np.isfinite(frame.atoms.positions).all()
            if kind not in ("dynamics", "pressed"):  # nothing keeps moving atoms apart here
                assert geometry.closest_contact(frame.atoms) > 0.45
            assert set(frame.atoms.numbers) <= set(ELEMENTS)
            assert frame.atoms.pbc.all() == (kind not in ("cluster", "molecule", "atom", "trimer", "dimer"))
            assert geometry.reduced_formula(frame.atoms) not in seeds.held_out


def test_a_job_comes_again_and_others_differ(seeds):
    def positions(shard, index):
        return next(structures.make_job(seeds, shard, index).recipe).structures[0].positions

    index = [kind for kind, _ in structures.order_of_kinds(2)].index("hot")
    np.testing.assert_array_equal(positions(2, index), positions(2, index))
    assert not np.array_equal(positions(2, index), positions(3, index))


@pytest.mark.parametrize("version", structures.PLANS)
def test_every_part_of_a_shard_is_balanced(version):
    order = [kind for kind, _ in structures.order_of_kinds(version)]
    jobs = structures.PLANS[version].jobs
    assert {kind: order.count(kind) for kind in jobs} == jobs
    for start in range(0, len(order) - 100, 100):
        for kind, count in jobs.items():
            assert abs(order[start : start + 100].count(kind) - 100 * count / len(order)) <= 2


def test_kinds_that_take_turns_go_on_where_the_version_before_ended():
    for before, after in itertools.pairwise(structures.PLANS.values()):
        n_shards = after.first_shard - before.first_shard
        for kind in ("element", "atom", "dimer"):
            assert after.begun[kind] == before.begun[kind] + n_shards * before.jobs[kind]


def test_shards_without_a_plan_are_refused():
    first = min(plan.first_shard for plan in structures.PLANS.values())
    assert structures.version_of(first) == min(structures.PLANS)
    with pytest.raises(ValueError, match=f"expected a shard from {first} on, got {first - 1}"):
        structures.version_of(first - 1)


def test_every_pair_and_every_element_has_its_turn():
    assert sorted(map(sorted, kinds.PAIRS_IN_TURN)) == sorted(
        map(sorted, itertools.combinations_with_replacement(ELEMENTS, 2))
    )


def test_pairs_without_crystals_come_first(seeds):
    assert len(set(seeds.rarest_pairs)) == 89 * 88 // 2
    seen = [seeds.pairs[pair] for pair in seeds.rarest_pairs]
    noble = [any(z in (2, 10, 18, 36, 54) for z in pair) for pair in seeds.rarest_pairs]
    assert noble == sorted(noble)
    assert (np.diff(seen[: noble.index(True)]) >= 0).all()


def test_a_held_out_dimer_becomes_a_trimer(seeds):
    ranks = {tuple(sorted(pair)): rank for rank, pair in enumerate(kinds.PAIRS_IN_TURN)}
    for pair, size in {(3, 17): 3, (3, 9): 2}.items():  # LiCl is held out, LiF is not
        draw = kinds.Draw(seeds, np.random.default_rng(1), ranks[pair])
        _, recipe = kinds.dimer(draw)
        assert {len(a) for a in next(recipe).structures} == {size}


@pytest.mark.parametrize("name", LATTICES)
def test_nearest_neighbors_of_lattices_are_as_far_as_asked(name):
    np.testing.assert_allclose(geometry.nearest_distances(lattice(name, 29, 2.5)), 2.5, rtol=1e-6)


def test_thermal_displacements_have_the_energy_of_their_temperature():
    atoms = bulk("NaCl", "rocksalt", a=5.64).repeat(2)
    values, modes = geometry.stiffness(atoms)
    rng = np.random.default_rng(1)
    energies = []
    for _ in range(100):
        ways = (geometry.thermal(atoms, rng, 50.0).positions - atoms.positions).ravel()
        energies.append(0.5 * (values * (modes.T @ ways) ** 2).sum())
    assert np.mean(energies) == pytest.approx(1.5 * len(atoms) * units.kB * 50.0, rel=0.05)


def test_thermal_displacements_do_not_depend_on_the_choice_of_modes(monkeypatch):
    atoms = bulk("Cu", "fcc", a=3.6).repeat(2)
    usual = geometry.thermal(atoms, np.random.default_rng(1), 300.0)
    values, modes = geometry.stiffness(atoms)
    equal = np.flatnonzero(np.isclose(values, values[-1]))
    turn, _ = np.linalg.qr(np.random.default_rng(2).normal(0, 1, (equal.size, equal.size)))
    modes[:, equal] = modes[:, equal] @ turn
    assert equal.size > 1
    monkeypatch.setattr(geometry, "stiffness", lambda atoms: (values, modes))
    again = geometry.thermal(atoms, np.random.default_rng(1), 300.0)
    np.testing.assert_allclose(again.positions, usual.positions, atol=1e-10)


def test_stiff_bonds_move_less():
    rng = np.random.default_rng(1)
    water = molecule("H2O")
    copper = bulk("Cu", "fcc", a=3.6).repeat(2)

    def spread(atoms, first, second):
        return np.std([geometry.thermal(atoms, rng, 300).get_distance(first, second, mic=True) for _ in range(100)])

    assert spread(water, 0, 1) < 0.8 * spread(copper, 0, 1)


def test_displacements_stop_before_atoms_meet():
    atoms = bulk("Cu", "fcc", a=3.6).repeat(2)
    for seed in range(5):
        assert geometry.closest_contact(geometry.rattled(atoms, np.random.default_rng(seed), 1.0)) >= 0.6


def test_supercells_are_compact():
    atoms = geometry.repeated(bulk("NaCl", "rocksalt", a=5.64, cubic=True), 16)
    assert len(atoms) == 16
    assert len(geometry.repeated(bulk("NaCl", "rocksalt", a=5.64), 14)) == 16


def test_anions_stay_anions(seeds):
    rng = np.random.default_rng(1)
    for _ in range(30):
        atoms = substituted(bulk("NaCl", "rocksalt", a=5.64), seeds, rng)
        assert not (9 in atoms.numbers[:1] and atoms.numbers[1] != 9)  # fluorine only where chlorine was
    assert RELATIVES[17] == (9, 35, 53)


def test_packings_are_pushed_apart():
    atoms = packing(np.array([11, 17] * 8), 16 * 22.0, np.random.default_rng(1))
    assert geometry.closest_contact(atoms) > 0.75
    assert atoms.get_volume() == pytest.approx(16 * 22.0)


def test_slabs_have_vacuum(seeds):
    _, recipe = kinds.surface(kinds.Draw(seeds, np.random.default_rng(1), 0))
    atoms = next(recipe).structures[0]
    heights = np.sort(atoms.get_scaled_positions(wrap=False)[:, 2]) * atoms.cell.lengths()[2]
    assert atoms.cell.lengths()[2] - np.ptp(heights) > VACUUM - 1.5


# -- recipes and labelling


def test_relaxations_go_down_to_the_equilibrium():
    start = geometry.rattled(bulk("Cu", "fcc", a=3.75).repeat(2), np.random.default_rng(1), 0.1)
    frames = run(relaxation(start, 8, move_cell=True))
    energies = [label.energy for _, label in frames]
    assert (np.diff(energies) < 0).all()
    assert np.abs(frames[-1][1].forces).max() < 0.4 * np.abs(frames[0][1].forces).max()
    assert np.abs(frames[-1][1].stress).max() < 0.5 * np.abs(frames[0][1].stress).max()


def test_dynamics_conserves_its_energy_and_keeps_its_frames():
    asked = []

    def teacher(atoms):
        asked.extend(atoms)
        return emt(atoms)

    frames = run(dynamics(bulk("Cu", "fcc", a=3.6).repeat(2), np.random.default_rng(1), 600.0, 3), teacher)
    assert len(frames) == 3
    assert len(asked) == 13
    potential = np.array([a.get_potential_energy() for a in asked])
    steps = np.diff([a.positions for a in asked], axis=0) / (5.0 * units.fs)
    kinetic = [0.5 * 30.0 * ((v + w) ** 2).sum() / 4 for v, w in itertools.pairwise(steps)]
    assert np.ptp(potential[1:-1] + kinetic) < 0.1 * np.ptp(potential) + 0.02


def test_atoms_far_apart_relax_to_nowhere():
    gas = Atoms("Cu2", positions=[(0, 0, 0), (8, 8, 8)], cell=[16] * 3, pbc=True)
    frames = run(relaxation(gas, 3, move_cell=True), quiet)
    assert len(frames) == 1
    assert np.isfinite(frames[0][0].positions).all()


def test_a_path_ends_with_its_first_unusable_label():
    def violent_at_last(atoms, calls=itertools.count()):  # noqa: B008
        size = LARGEST_FORCE * 2 if next(calls) == 2 else 1.0
        return [Label(0.0, np.full((len(a), 3), size), np.zeros((3, 3))) for a in atoms]

    assert len(run(relaxation(bulk("Cu", "fcc", a=3.6).repeat(2), 6), violent_at_last)) == 2
    nothing = run(single(bulk("Cu")), lambda atoms: [Label(np.nan, np.zeros((1, 3)), np.zeros((3, 3)))])
    assert nothing == []


def test_held_out_formulas_and_what_is_not_kept_are_left_out():
    def recipe():
        yield Ask([bulk("Cu"), bulk("Ag")])
        yield Ask([bulk("Cu")], keep=False)

    frames = label_jobs({5: structures.Job("some", "here", recipe())}, quiet, lambda a: "Ag" not in a.symbols)
    assert [(str(f.atoms.symbols), f.job, f.frame) for f in frames] == [("Cu", 5, 0)]


def test_fast_messages_are_those_of_e3nn():
    torch.manual_seed(1)
    features, harmonics = o3.Irreps("8x0e + 4x1o + 2x2e"), o3.Irreps.spherical_harmonics(3)
    pairs = itertools.product(enumerate(features), enumerate(harmonics))
    paths = [(i, j, ir) for (i, (_, f)), (j, (_, h)) in pairs for ir in f * h if ir.l < 4]
    results = o3.Irreps([(features[i].mul, ir) for i, _, ir in paths])
    order = torch.randperm(len(paths)).tolist()  # of the paths, hence of their weights
    product = o3.TensorProduct(
        features,
        harmonics,
        results,
        [(paths[n][0], paths[n][1], n, "uvu", True) for n in order],
        shared_weights=False,
        internal_weights=False,
    )
    senders, receivers = torch.randint(5, (2, 40))
    x, y, weights = torch.randn(5, features.dim), torch.randn(40, harmonics.dim), torch.randn(40, product.weight_numel)
    expected = torch.zeros(5, results.dim).index_add(0, receivers, product(x[senders], y, weights))
    wanted = torch.randperm(len(paths)).tolist()
    messages = Messages(product, wanted)
    found = messages(x, senders, receivers, y, weights[:, messages.weight_order])
    torch.testing.assert_close(
        found, torch.cat([expected[:, results.slices()[n]] for n in wanted], 1), atol=2e-5, rtol=0
    )


def test_a_shard_that_was_stopped_goes_on(seeds, tmp_path, monkeypatch):
    monkeypatch.setattr(label, "PLANS", {2: structures.Plan(0, {"some": 8})})
    monkeypatch.setattr(label, "JOBS_PER_PART", 4)
    in_one_go, n_jobs = label.label_shard(2, seeds, quiet, tmp_path / "one", np.inf)

    def stopped(atoms):
        if list(tmp_path.glob("two/*/*.npz.xz")):
            raise KeyboardInterrupt
        return quiet(atoms)

    with pytest.raises(KeyboardInterrupt):
        label.label_shard(2, seeds, stopped, tmp_path / "two", np.inf)
    assert len(list((tmp_path / "two").rglob("*.npz.xz"))) == 1
    half, n_half = label.label_shard(2, seeds, quiet, tmp_path / "two", 0.0)  # no time left
    assert ({frame.job for frame in half}, n_half) == ({0, 1, 2, 3}, 4)
    resumed, _ = label.label_shard(2, seeds, quiet, tmp_path / "two", np.inf)
    assert [frame.atoms for frame in resumed] == [frame.atoms for frame in in_one_go]
    assert len({frame.job for frame in resumed}) == n_jobs == 8


# -- shards
