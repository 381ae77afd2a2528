"""The engine libraries through their C interface, as another host than LAMMPS uses them."""

import ctypes
import zlib
from ctypes import POINTER, Structure, byref, c_char_p, c_double, c_int, c_size_t, c_void_p, create_string_buffer

import numpy as np
import pytest
from committees import random_shallow, save_calibrated

from mlpot.lammps import build_torch_engine, native_engine
from mlpot.model_file.manifest import FORMAT_VERSION, read_manifest

pytestmark = pytest.mark.lammps


class Message(Structure):
    _fields_ = [("text", c_void_p), ("size", c_size_t)]


class Settings(Structure):
    _fields_ = [
        ("model_path", c_char_p),
        ("precision", c_char_p),
        ("device", c_char_p),
        ("device_index", c_int),
        ("n_threads", c_int),
    ]


class Description(Structure):
    _fields_ = [
        ("engine", c_char_p),
        ("precision", c_char_p),
        ("cutoff", c_double),
        ("n_elements", c_int),
        ("atomic_numbers", POINTER(c_int)),
        ("n_layers", c_int),
        ("message_width", c_int),
        ("n_members", c_int),
        ("has_distance", c_int),
        ("calibrated", c_int),
        ("energy_calibrated", c_int),
        ("n_threads", c_int),
    ]


class Api(Structure):
    _fields_ = [
        ("api_version", c_int),
        ("create", ctypes.CFUNCTYPE(c_void_p, POINTER(Settings), POINTER(Description), POINTER(Message))),
        ("compute", c_void_p),
        ("memory_usage", ctypes.CFUNCTYPE(c_double, c_void_p)),
        ("destroy", ctypes.CFUNCTYPE(None, c_void_p)),
        ("force_uncertainty", c_void_p),
        ("energy_uncertainty", c_void_p),
    ]


@pytest.fixture(scope="module")
def api():
    library = ctypes.CDLL(str(build_torch_engine.ensure()))
    library.mlpot_engine_get_api.restype = POINTER(Api)
    return library.mlpot_engine_get_api().contents


def create(api, path, precision=b""):
    """Handle (None on failure), description, message."""
    text = create_string_buffer(4096)
    description = Description()
    settings = Settings(str(path).encode(), precision, b"cpu", 0, 1)
    handle = api.create(byref(settings), byref(description), byref(Message(ctypes.addressof(text), 4096)))
    return handle, description, text.value.decode()


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


@pytest.mark.parametrize(("version", "remedy"), [(9, "upgrade mlpot"), (2, "train it again")])
def test_another_format_is_refused_with_what_to_do(api, model_file, tmp_path, version, remedy):
    content = model_file.read_bytes()
    own = b'"format_version": %d,' % FORMAT_VERSION
    assert content.count(own) == 1
    path = tmp_path / "other.pt"
    path.write_bytes(with_checksum(content.replace(own, b'"format_version": %d,' % version)))
    handle, _, message = create(api, path)
    assert not handle
    assert f"format {version}; this mlpot reads format {FORMAT_VERSION}: {remedy}" in message


def with_checksum(content):
    """The file with the checksum of its bytes at the end."""
    return content[:-8] + b"%08x" % zlib.crc32(content[:-8])


@pytest.fixture(scope="module")
def native():
    library = ctypes.CDLL(str(native_engine()))
    library.mlpot_engine_get_api.restype = POINTER(Api)
    return library.mlpot_engine_get_api().contents


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


def _two(values):
    return values.ctypes.data, values.ctypes.data + 8
