"""The C interface of the engines, plugins/engine/engine_api.h, for ctypes."""

import ctypes
from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    byref,
    c_char_p,
    c_double,
    c_int,
    c_size_t,
    c_ssize_t,
    c_ulonglong,
    c_void_p,
    create_string_buffer,
)


class Message(Structure):
    _fields_ = [("text", c_void_p), ("size", c_size_t)]


class Settings(Structure):
    _fields_ = [
        ("model_path", c_char_p),
        ("precision", c_char_p),
        ("device", c_char_p),
        ("device_index", c_int),
        ("n_threads", c_int),
        ("model", c_char_p),
        ("model_size", c_size_t),
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
        ("accepts_device_memory", c_int),
    ]


class Api(Structure):
    _fields_ = [
        ("api_version", c_int),
        ("create", CFUNCTYPE(c_void_p, POINTER(Settings), POINTER(Description), POINTER(Message))),
        ("compute", CFUNCTYPE(c_int, c_void_p, *[c_void_p] * 4)),
        ("memory_usage", CFUNCTYPE(c_double, c_void_p)),
        ("destroy", CFUNCTYPE(None, c_void_p)),
        ("force_uncertainty", c_void_p),
        ("energy_uncertainty", c_void_p),
    ]


class Neighbors(Structure):
    _fields_ = [
        ("counts", c_void_p),
        ("rows", c_void_p),
        ("strided", c_void_p),
        ("atom_stride", c_ssize_t),
        ("entry_stride", c_ssize_t),
        ("mask", c_int),
        ("version", c_ulonglong),
    ]


class HostAtoms(Structure):
    _fields_ = [
        ("n_atoms", c_int),
        ("n_centers", c_int),
        ("species", c_void_p),
        ("positions", c_void_p),
        ("centers", c_void_p),
        ("neighbors", Neighbors),
        ("memory", c_int),
    ]


class HostResult(Structure):
    _fields_ = [
        ("energy", c_double),
        ("virial", c_double * 9),
        ("atomic_energies", c_void_p),
        ("forces", c_void_p),
        ("atomic_virials", c_void_p),
        ("centroid_virials", c_void_p),
        ("failed_atom", c_int),
        ("member_energies", c_void_p),
        ("member_forces", c_void_p),
        ("member_virials", c_void_p),
        ("feature_distances", c_void_p),
        ("distance_sums", c_void_p),
        ("memory", c_int),
    ]


class Communicator(Structure):
    _fields_ = [("context", c_void_p), ("forward", c_void_p), ("reverse", c_void_p)]


ALONE = Communicator()


def load(library):
    """The interface of an engine library."""
    entry = ctypes.CDLL(str(library)).mlpot_engine_get_api
    entry.restype = POINTER(Api)
    return entry().contents


def create(api, path, precision=b"", threads=1):
    """Handle (None on failure), description, message."""
    text = create_string_buffer(4096)
    description = Description()
    content = path.read_bytes()
    settings = Settings(str(path).encode(), precision, b"cpu", 0, threads, content, len(content))
    handle = api.create(byref(settings), byref(description), byref(Message(ctypes.addressof(text), 4096)))
    return handle, description, text.value.decode()


def compute(api, handle, atoms, result):
    """Status and message of an evaluation without ghost atoms."""
    text = create_string_buffer(4096)
    message = Message(ctypes.addressof(text), 4096)
    status = api.compute(handle, byref(atoms), byref(ALONE), byref(result), byref(message))
    return status, text.value.decode()
