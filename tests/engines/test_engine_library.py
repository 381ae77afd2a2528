"""The engine libraries through their C interface, as another host than LAMMPS uses them."""

import ctypes
import zlib
from ctypes import POINTER, byref, c_int, c_size_t, c_void_p, create_string_buffer

import numpy as np
import pytest
from committees import random_shallow, save_calibrated
from engine_interface import HostAtoms, HostResult, Message, Neighbors, compute, create, load

from mlpot.lammps import build_torch_engine, native_engine
from mlpot.model_file.manifest import FORMAT_VERSION, read_manifest

pytestmark = pytest.mark.lammps


@pytest.fixture(scope="module")
def api():
    return load(build_torch_engine.ensure())


def test_describes_the_model(api, deep_model_file):
    handle, description, message = create(api, deep_model_file)
    assert handle, message
    assert description.cutoff == 4.0
    assert [description.atomic_numbers[n] for n in range(description.n_elements)] == [1, 8, 14]
    assert (description.n_layers, description.precision) == (2, b"double")
    assert api.memory_usage(handle) > 1000
    api.destroy(handle)


@pytest.mark.parametrize("n_changed", [300])
def test_a_changed_byte_is_always_refused(api, model_file, tmp_path, n_changed):
    content = bytearray(model_file.read_bytes())
    rng = np.random.default_rng(0)
    path = tmp_path / "changed.pt"
    for place in rng.integers(0, len(content), n_changed):
        content[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(content)
        handle, _, message = create(api, path)
        assert not handle, f"byte {place} changed"
        assert str(path) in message
        content[:] = model_file.read_bytes()


def test_a_model_that_disagrees_with_its_self_test_is_refused(api, model_file, tmp_path):
    """The checksum is right; only the self-test structure shows the change."""
    content = model_file.read_bytes()
    energy = content.index(b'"energy":', content.index(b'"self_test"')) + len(b'"energy":') + 1
    digit = next(n for n in range(energy, energy + 20) if content[n : n + 1].isdigit())
    changed = content[:digit] + (b"7" if content[digit : digit + 1] != b"7" else b"5") + content[digit + 1 :]
    path = tmp_path / "disagrees.pt"
    path.write_bytes(with_checksum(changed))
    handle, _, message = create(api, path)
    assert not handle
    assert "disagrees with its own self-test structure" in message


@pytest.mark.parametrize(("version", "remedy"), [(FORMAT_VERSION + 1, "upgrade mlpot"), (2, "train it again")])
def test_another_format_is_refused_with_what_to_do(api, model_file, tmp_path, version, remedy):
    content = model_file.read_bytes()
    own = b'"format_version": %d,' % FORMAT_VERSION
    assert content.count(own) == 1
    path = tmp_path / "other.pt"
    other = b'"format_version":%*d,' % (len(own) - 18, version)  # as long: archives have lengths
    path.write_bytes(with_checksum(content.replace(own, other)))
    handle, _, message = create(api, path)
    assert not handle
    assert f"format {version}; this mlpot reads format {FORMAT_VERSION}: {remedy}" in message


def with_checksum(content):
    """The file with the checksum of its bytes at the end."""
    return content[:-8] + b"%08x" % zlib.crc32(content[:-8])


@pytest.fixture(scope="module")
def native():
    return load(native_engine())


def test_error_bars_are_those_of_python(native, tmp_path):
    save_calibrated(tmp_path / "model.pt", random_shallow(4))
    manifest = read_manifest(tmp_path / "model.pt")
    handle, description, message = create(native, tmp_path / "model.pt")
    assert handle, message
    assert (description.n_members, description.has_distance) == (4, 1)
    assert (description.calibrated, description.energy_calibrated) == (1, 1)
    rng = np.random.default_rng(0)
    species = np.array([0, 1, 2, 1, -1], np.int32)
    forces, sums, energies = rng.normal(size=(4, 7, 3)), rng.uniform(0.1, 3.0, (5, 2)), rng.normal(size=4)
    deviation, error_bars, energy = np.zeros(5), np.zeros(5), np.zeros(2)
    force_uncertainty = ctypes.CFUNCTYPE(c_int, c_void_p, c_int, *[c_void_p] * 2, c_size_t, *[c_void_p] * 4)
    energy_uncertainty = ctypes.CFUNCTYPE(c_int, *[c_void_p] * 5)
    arrays = [array.ctypes.data for array in (species, forces, sums, deviation, error_bars)]
    assert force_uncertainty(native.force_uncertainty)(handle, 5, *arrays[:2], 7, *arrays[2:], None) == 0
    assert energy_uncertainty(native.energy_uncertainty)(handle, energies.ctypes.data, *_two(energy), None) == 0
    expected = np.sqrt(forces[:, :4].var(axis=0, ddof=1).mean(axis=1))
    np.testing.assert_allclose(deviation, [*expected, 0.0], rtol=1e-13)
    scaling = manifest.calibration.forces
    away = np.sqrt(sums[:4, 0] / sums[:4, 1])
    size = np.sqrt(expected) * away * np.maximum(1.0, away / scaling.distance_limit)
    np.testing.assert_allclose(error_bars, [*(size * np.array(scaling.scale)[species[:4]]), 0.0], rtol=1e-13)
    assert energy[0] == pytest.approx(energies.std(ddof=1), rel=1e-13)
    assert energy[1] == pytest.approx(energy[0] * manifest.calibration.energy.scale[0], rel=1e-13)
    native.destroy(handle)


def test_a_single_model_has_no_error_bars(native, model_file):
    handle, description, _ = create(native, model_file)
    assert (description.n_members, description.calibrated) == (1, 0)
    text, energy = create_string_buffer(200), np.zeros(2)
    energy_uncertainty = ctypes.CFUNCTYPE(c_int, *[c_void_p] * 4, POINTER(Message))(native.energy_uncertainty)
    message = Message(ctypes.addressof(text), 200)
    assert energy_uncertainty(handle, energy.ctypes.data, energy.ctypes.data, None, byref(message)) == 1
    assert "a committee is required" in text.value.decode()
    native.destroy(handle)


N_ATOMS = 150
STRIDED = {"rows one after the other": False, "first entries one after the other": True}


class Chain:
    """Atoms in a long line, with all pairs as neighbors; arrays stay alive with it."""

    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        self.species = rng.integers(0, 3, N_ATOMS).astype(np.int32)
        self.positions = rng.uniform(-0.6, 0.6, (N_ATOMS, 3)) + 1.8 * np.arange(N_ATOMS)[:, None] * [1.0, 0.0, 0.0]
        self.centers = np.arange(N_ATOMS, dtype=np.int32)
        self.counts = np.full(N_ATOMS, N_ATOMS - 1, np.int32)
        everyone = np.tile(self.centers, (N_ATOMS, 1))
        self.table = everyone[~np.eye(N_ATOMS, dtype=bool)].reshape(N_ATOMS, -1).copy()

    def neighbors(self, *, columns, version):
        """Strided: rows one after the other, or columns."""
        self.entries = np.array(self.table.T if columns else self.table, order="C")
        strides = (1, N_ATOMS) if columns else (N_ATOMS - 1, 1)
        return Neighbors(self.counts.ctypes.data, None, self.entries.ctypes.data, *strides, 0x7FFFFFFF, version)

    def rows(self):
        self.pointers = np.array([row.ctypes.data for row in self.table], np.uintp)
        return Neighbors(self.counts.ctypes.data, self.pointers.ctypes.data, None, 0, 0, 0x7FFFFFFF, 0)

    def evaluate(self, api, handle, neighbors, memory=0):
        forces = np.zeros((N_ATOMS, 3))
        arrays = [array.ctypes.data for array in (self.species, self.positions, self.centers)]
        result = HostResult(forces=forces.ctypes.data, failed_atom=-1)
        status, text = compute(api, handle, HostAtoms(N_ATOMS, N_ATOMS, *arrays, neighbors, memory), result)
        assert status == (memory != 0), text
        return text if status else (result.energy, forces)


@pytest.mark.parametrize("columns", STRIDED.values(), ids=STRIDED)
@pytest.mark.parametrize("threads", [1, 3])
def test_a_strided_list_is_read_when_its_version_changes(native, deep_model_file, columns, threads):
    handle, description, message = create(native, deep_model_file, threads=threads)
    assert handle, message
    assert not description.accepts_device_memory
    chain, other = Chain(), Chain(1)
    energy, forces = chain.evaluate(native, handle, chain.rows())
    for version, read in ((7, True), (7, False), (0, True), (0, True), (9, True)):
        neighbors = chain.neighbors(columns=columns, version=version)
        if not read:
            chain.entries[:] = 0
        got, same = chain.evaluate(native, handle, neighbors)
        assert got == energy
        np.testing.assert_array_equal(same, forces)
    all_neighbors, alone = other.neighbors(columns=columns, version=10), Chain(1)
    expected, _ = other.evaluate(native, handle, all_neighbors)
    alone.counts[:] = 0
    nothing = alone.evaluate(native, handle, alone.neighbors(columns=columns, version=11))[0]
    assert abs(nothing - expected) > 1e-3
    assert other.evaluate(native, handle, all_neighbors)[0] == expected
    native.destroy(handle)


def test_arrays_of_a_device_are_refused(native, model_file):
    handle, _, _ = create(native, model_file)
    chain = Chain()
    assert "memory of the host" in chain.evaluate(native, handle, chain.rows(), memory=1)
    native.destroy(handle)


def _two(values):
    return values.ctypes.data, values.ctypes.data + 8
