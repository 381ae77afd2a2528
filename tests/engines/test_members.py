"""Committees in the native engine: every member, and the distance from the training set, as torch has them."""

import struct
import subprocess
import sys

import numpy as np
import pytest
from architectures import architectures
from ase.build import bulk
from ase.data import chemical_symbols
from committees import random_deep, random_shallow, save_calibrated
from damaged_files import damaged, tensor_place, with_checksum, with_manifest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlpot._native import NativeEngine as CompiledEngine
from mlpot._native import NeighborList
from structures import KINDS, random_rotation, random_structure

import mlpot
from mlpot.engines.native import NativeEngine
from mlpot.engines.results import MEMBER_PROPERTIES
from mlpot.engines.torch import TorchEngine
from mlpot.errors import EngineError, ModelFileError
from mlpot.model_file.torchscript import save_model
from potentials import ARCHITECTURES, random_potential

EVERYTHING = (*MEMBER_PROPERTIES, "feature_distances", "neighborhood_distances", "descriptors", "atomic_virials")
KIND = {"shallow": random_shallow, "deep": random_deep}


def deviations(got, expected):
    """Of the results of two engines: energies relative to those of the atoms, other values to their largest."""
    scale = max(1.0, np.abs(expected.member_energies).max())
    force, virial = (max(1.0, np.abs(part).max()) for part in (expected.member_forces, expected.member_virials))
    size = max(1.0, np.abs(expected.descriptors).max())
    return {
        "energies": np.abs(got.member_energies - expected.member_energies).max() / scale,
        "forces": np.abs(got.member_forces - expected.member_forces).max() / force,
        "virials": np.abs(got.member_virials - expected.member_virials).max() / max(force, virial),
        "descriptors": np.abs(got.descriptors - expected.descriptors).max() / size,
        "distances": distance_deviation(got.feature_distances, expected.feature_distances) / size,
        "neighborhoods": distance_deviation(got.neighborhood_distances, expected.neighborhood_distances) / size,
    }


def distance_deviation(got, expected):
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(np.isfinite(got), finite)
    return np.abs(got[finite] - expected[finite]).max(initial=0.0)


def assert_same(got, expected, limit):
    found = deviations(got, expected)
    assert max(found.values()) < limit, found


any_folder = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@settings(max_examples=8, suppress_health_check=any_folder)
@given(
    kind=st.sampled_from(sorted(KIND)),
    fields=architectures(dearest=6),
    n_members=st.integers(2, 9),
    seed=st.integers(0, 2**31),
)
def test_random_committees_on_random_structures(tmp_path, kind, fields, n_members, seed):
    fields.pop("seed")  # members differ in it
    committee = KIND[kind](n_members if kind == "shallow" else min(n_members, 3), **fields)
    save_calibrated(tmp_path / "model.pt", committee, seed, known={0})
    native = NativeEngine(tmp_path / "model.pt", "double", threads=1 + seed % 2, skin=0.3)
    torchs = TorchEngine(tmp_path / "model.pt", skin=0.3)
    symbols = [chemical_symbols[z] for z in fields["atomic_numbers"]]
    for k in range(3):
        atoms = random_structure(KINDS[(seed + k) % len(KINDS)], 2 + (seed + 3 * k) % 9, symbols, seed + k)
        assert_same(native.compute(atoms, EVERYTHING), torchs.compute(atoms, EVERYTHING), 1e-10)


@pytest.fixture(
    scope="module", params=[f"{kind}, {name}" for kind in KIND for name in ("one layer", "vector messages")]
)
def committee_file(request, tmp_path_factory):
    kind, _, name = request.param.partition(", ")
    path = tmp_path_factory.mktemp("committee") / "model.pt"
    save_calibrated(path, KIND[kind](3, **ARCHITECTURES[name]))
    return path


def silicon(repeat=1):
    atoms = bulk("Si", cubic=True) * (repeat, 1, 1)
    atoms.numbers[:3] = 8
    atoms.rattle(0.1, seed=0)
    return atoms


@pytest.mark.parametrize("precision", ["double", "mixed"])
def test_the_mean_is_the_same_with_and_without_members(committee_file, precision):
    """To the last bit."""
    engine = NativeEngine(committee_file, precision, threads=1, skin=0.3)
    alone, together = engine.compute(silicon()), engine.compute(silicon(), EVERYTHING)
    for one, other in zip(alone[:4], together[:4], strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("precision", ["double", "mixed"])
@pytest.mark.parametrize("name", ["one layer", "vector messages"])
def test_a_shallow_committee_is_its_potential(name, precision, tmp_path):
    """To the last bit."""
    save_model(tmp_path / "single.pt", random_potential(**ARCHITECTURES[name]))
    save_model(tmp_path / "committee.pt", random_shallow(4, **ARCHITECTURES[name]))
    single, committee = (
        NativeEngine(tmp_path / f"{file}.pt", precision, threads=1, skin=0.3).compute(silicon())
        for file in ("single", "committee")
    )
    for one, other in zip(single[:4], committee[:4], strict=True):
        assert np.array_equal(one, other)


def test_members_average_to_the_mean(committee_file):
    results = NativeEngine(committee_file, "double", skin=0.3).compute(silicon(), EVERYTHING)
    np.testing.assert_allclose(results.member_energies.mean(), results.energy, rtol=1e-13)
    np.testing.assert_allclose(results.member_forces.mean(0), results.forces, rtol=0, atol=1e-12)
    np.testing.assert_allclose(results.member_forces.sum(1), 0.0, rtol=0, atol=1e-10)
    assert results.member_forces.std(0).min() > 1e-6


@pytest.mark.parametrize("isa", ["baseline", "avx2", "avx512"])
def test_precisions_threads_and_instruction_sets(committee_file, isa, monkeypatch):
    expected = NativeEngine(committee_file, "double", threads=1, skin=0.3).compute(silicon(4), EVERYTHING)
    monkeypatch.setenv("MLPOT_ISA", isa)
    for precision, limit in (("double", 1e-12), ("mixed", 1e-4)):
        try:
            engine = NativeEngine(committee_file, precision, threads=3, skin=0.3)
        except ModelFileError as error:
            pytest.skip(str(error))
        assert_same(engine.compute(silicon(4), EVERYTHING), expected, limit)


def test_threads_that_add_to_a_part_of_the_atoms(committee_file):
    """The arrays of a thread are cleared and added up only where it has centers or neighbors."""
    single, several = (NativeEngine(committee_file, "double", threads=threads) for threads in (1, 5))
    atoms = silicon(30)
    for _ in range(2):  # the arrays hold values the second time
        atoms.set_positions(atoms.positions[::-1])
        assert_same(several.compute(atoms, EVERYTHING), single.compute(atoms, EVERYTHING), 1e-12)


def test_error_bars_follow_rotations(committee_file):
    rng = np.random.default_rng(1)
    atoms = silicon()
    rotation = random_rotation(rng)
    turned = atoms.copy()
    turned.set_cell(atoms.cell.array @ rotation.T)
    turned.positions = atoms.positions @ rotation.T
    calc = mlpot.load(committee_file, precision="double")
    for name in ("energy_std", "forces_std", "feature_distance"):
        first = calc.get_property(name, atoms)
        np.testing.assert_allclose(calc.get_property(name, turned), first, rtol=1e-9)


def test_energies_of_members_come_with_every_evaluation(committee_file):
    atoms = silicon()
    atoms.calc = mlpot.load(committee_file, precision="double")
    atoms.get_forces()
    results = atoms.calc.results
    assert {"energy_ensemble_std", "energy_std"} <= results.keys()
    assert "forces_std" not in results
    assert results["energy_ensemble_std"] == pytest.approx(results["energy_members"].std(ddof=1), rel=1e-14)
    calibration = atoms.calc.manifest.calibration
    assert results["energy_std"] == pytest.approx(
        calibration.energy.scale[0] * results["energy_ensemble_std"], rel=1e-14
    )


def test_error_bars_need_no_torch(committee_file):
    program = (
        "import sys, mlpot; from ase.build import bulk; atoms = bulk('Si'); atoms.calc = mlpot.load(sys.argv[1]); "
        "[atoms.calc.get_property(name, atoms) for name in "
        "('energy_std', 'forces_std', 'stress_std', 'feature_distance', 'forces_members')]; "
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program, str(committee_file)], check=True)


def test_a_single_model_has_no_members(model_file):
    engine = NativeEngine(model_file, skin=0.3)
    with pytest.raises(EngineError, match="has no members"):
        engine.compute(silicon(), ["member_energies"])
    with pytest.raises(EngineError, match="no feature distance"):
        engine.compute(silicon(), ["feature_distances"])
    expected = TorchEngine(model_file, skin=0.3).compute(silicon(), ["descriptors"])
    got = engine.compute(silicon(), ["descriptors"])
    np.testing.assert_allclose(got.descriptors, expected.descriptors, rtol=0, atol=1e-12)


def test_members_that_are_not_finite_show(committee_file):
    species, ones = np.array([1, 2], np.int32), np.ones(2, np.int32)
    rows = NeighborList.from_vectors(ones, np.array([1, 0], np.int32), np.full((2, 3), np.nan))
    results = NativeEngine(committee_file, "double").evaluate(species, np.zeros((2, 3)), rows, EVERYTHING)
    assert not np.isfinite(results.forces).all()
    assert not np.isfinite(results.member_forces).all()
    assert not np.isfinite(results.member_energies).any()


def test_unknown_properties_are_refused(committee_file):
    with pytest.raises(ValueError, match="unknown property of the native engine: charges"):
        NativeEngine(committee_file, skin=0.3).compute(silicon(), ["charges"])


@pytest.fixture(scope="module")
def small_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("small") / "model.pt"
    save_calibrated(path, random_shallow(3, lmax=1, n_channels=3, n_radial=3, cutoff=2.5))
    return path


def kept(**changes):
    return lambda manifest: {**manifest, **changes}


def with_part(name, **changes):
    return lambda manifest: {**manifest, name: {**manifest[name], **changes}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (with_part("committee", n_members=1), "must have 2 to 1000 members"),
        (with_part("committee", n_members=4), "results of each member"),
        (with_part("committee", kind="wide"), "shallow or deep"),
        (with_part("committee", kind="deep"), "there is no tensor members.0"),
        (with_part("self_test", members=[]), "results of each member"),
        (kept(feature_distance=None), "requires a feature distance"),
        (kept(committee=None, self_test={}), "no readable manifest"),
        (with_part("calibration", forces={"scale": [1.0, 2.0]}), "one scale for each element"),
        (with_part("calibration", forces={"scale": [1.0, -2.0, 1.0]}), "not a positive number"),
        (with_part("calibration", energy={"scale": []}), "one scale of the energy"),
    ],
)
def test_manifests_that_contradict_themselves_are_refused(change, message, small_file, tmp_path):
    path = tmp_path / "changed.pt"
    path.write_bytes(with_manifest(small_file.read_bytes(), change))
    with pytest.raises(RuntimeError, match=message):
        CompiledEngine(path.read_bytes(), str(path))


@pytest.mark.parametrize(
    ("name", "shift", "message"),
    [
        ("deviations", 1e-3, "do not sum to zero"),
        ("deviations", np.nan, "finite"),
        ("distance.mean", np.inf, "finite"),
    ],
)
def test_tensors_that_are_wrong_are_refused(name, shift, message, small_file, tmp_path):
    content = bytearray(small_file.read_bytes())
    place, _ = tensor_place(content, name)
    (value,) = struct.unpack_from("<d", content, place)
    struct.pack_into("<d", content, place, value + shift)
    path = tmp_path / "changed.pt"
    path.write_bytes(with_checksum(bytes(content)))
    with pytest.raises(RuntimeError, match=message):
        CompiledEngine(path.read_bytes(), str(path))


def test_members_that_disagree_with_the_self_test_are_refused(small_file, tmp_path):
    path = tmp_path / "changed.pt"

    def change(manifest):
        manifest["self_test"]["members"][1]["forces"][0][0] += 1e-3
        return manifest

    path.write_bytes(with_manifest(small_file.read_bytes(), change))
    with pytest.raises(RuntimeError, match="its committee disagrees with its own self-test structure"):
        CompiledEngine(path.read_bytes(), str(path), "double")


@pytest.mark.parametrize("kind", KIND)
def test_changed_bytes_do_no_harm(kind, tmp_path):
    save_calibrated(tmp_path / "small.pt", KIND[kind](3, lmax=1, n_channels=3, n_radial=3, cutoff=2.5))
    path, refusals = tmp_path / "changed.pt", []
    for content in damaged((tmp_path / "small.pt").read_bytes(), 100, seed=5):
        path.write_bytes(content)
        try:
            CompiledEngine(path.read_bytes(), str(path))
        except RuntimeError as error:
            refusals.append(str(error))
    assert len(refusals) > 50
    assert all(str(path) in refusal for refusal in refusals)
