"""Tensors in a model file: an index of names, types, shapes and members; each member holds plain little-endian values.

The tensors of the scripted module are the members that TorchScript itself reads (``data/0``, ...), so each weight is in
the file once. What the module does not have, the feature distance, is in members ``extra/<name>``. Torch is not
imported; the native engine reads the index in ``plugins/native/model/tensors.cpp``.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpot.errors import ModelFileError

Arrays = Mapping[str, NDArray[Any]]
INDEX = "extra/mlpot.tensors.json"
TYPES: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8"), "I64": np.dtype("<i8")}
_TYPE_NAMES = {dtype: name for name, dtype in TYPES.items()}
MODULE, EXTRA = "data/", "extra/"


def add_module_tensors(members: dict[str, bytes], tensors: Arrays) -> None:
    """Add an index of the tensors of the scripted module to the members of its archive.

    A member is found by its content: where two have the same, either is right. Small tensors that the module does not
    have in the order of their indices become members of their own.
    """
    names = {content: name for name, content in members.items() if name.startswith(MODULE)}
    index = {}
    for name, array in tensors.items():
        content = _bytes(array)
        if content not in names:
            members[EXTRA + name] = content
        index[name] = _entry(array, names.get(content, EXTRA + name))
    _write_index(members, index)


def replace_tensors(members: dict[str, bytes], prefix: str, tensors: Arrays) -> None:
    """Replace the tensors that the scripted module does not have, and whose names start with a prefix."""
    index = {name: entry for name, entry in json.loads(members[INDEX]).items() if not name.startswith(prefix)}
    for name in [name for name in members if name.startswith(EXTRA + prefix)]:
        del members[name]
    for name, array in tensors.items():
        members[EXTRA + name] = _bytes(array)
        index[name] = _entry(array, EXTRA + name)
    _write_index(members, index)


def read_tensors(path: Path, members: Mapping[str, bytes]) -> dict[str, NDArray[Any]]:
    """Tensors by name; `path` is for error messages.

    Raises
    ------
    ModelFileError
        There is no index, or an entry of it does not fit its member.
    """
    try:
        index = json.loads(members[INDEX])
        return {name: _read(path, members, name, **entry) for name, entry in index.items()}
    except ModelFileError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ModelFileError(f"{path}: has no readable index of its tensors") from error


def _read(
    path: Path, members: Mapping[str, bytes], name: str, dtype: str, shape: list[int], member: str
) -> NDArray[Any]:
    content = members.get(member)
    if content is None:
        raise ModelFileError(f"{path}: has no member {member!r}, which its index names for tensor {name}")
    if dtype not in TYPES:
        raise ModelFileError(f"{path}: tensor {name} must have one of the types {', '.join(TYPES)}, got {dtype!r}")
    if not all(type(size) is int and size >= 0 for size in shape):
        raise ModelFileError(f"{path}: tensor {name} has a shape that is not a list of sizes")
    expected = TYPES[dtype].itemsize * math.prod(shape)
    if len(content) != expected:
        raise ModelFileError(
            f"{path}: tensor {name} of type {dtype} and shape {tuple(shape)} must have {expected} bytes, "
            f"got {len(content)} in member {member}"
        )
    values: NDArray[Any] = np.frombuffer(content, TYPES[dtype])
    return np.array(values.reshape(shape))


def _bytes(array: NDArray[Any]) -> bytes:
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()


def _entry(array: NDArray[Any], member: str) -> dict[str, Any]:
    return {
        "dtype": _TYPE_NAMES[array.dtype.newbyteorder("<")],
        "shape": list(array.shape),
        "member": member,
    }


def _write_index(members: dict[str, bytes], index: Mapping[str, Any]) -> None:
    members[INDEX] = json.dumps(index, separators=(",", ":")).encode()
