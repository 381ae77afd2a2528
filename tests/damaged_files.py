"""Model files with changed bytes and a correct checksum: only the checks of the reader find the change."""

import io
import json
import struct
import zipfile
import zlib

import numpy as np

INDEX = "extra/mlpot.tensors.json"


def with_checksum(content):
    """The file with the checksum of its bytes at the end."""
    return content[:-8] + b"%08x" % zlib.crc32(content[:-8])


def index_place(content):
    """First and last byte of the index of the tensors."""
    first = content.index(b'{"', content.index(INDEX.encode()))
    return first, content.index(b"}}", first) + 2


def tensor_place(content, name):
    """First and last byte of the values of a tensor."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        index = json.loads(archive.read(f"archive/{INDEX}"))
        entry = archive.getinfo(f"archive/{index[name]['member']}")
    name_size, extra_size = struct.unpack_from("<HH", content, entry.header_offset + 26)
    first = entry.header_offset + 30 + name_size + extra_size
    return first, first + entry.file_size


def damaged(content, number, seed=0):
    """Byte strings: changed manifests, indices, tensors, directories of the archive; and cut ones."""
    rng = np.random.default_rng(seed)
    manifest = content.index(b'{\n "format_version"')
    first, last = index_place(content)
    directory = content.index(b"PK\x01\x02")
    weights = tensor_place(content, next(name for name in json.loads(content[first:last]) if name.endswith("update")))
    regions = [(manifest, manifest + 2000), (first - 8, last), weights, (directory, len(content) - 20)]
    for n in range(number):
        changed = bytearray(content)
        low, high = regions[n % len(regions)]
        for place in rng.integers(low, high, rng.integers(1, 4)):
            # digits and brackets keep texts readable, so that their content is what is wrong
            changed[place] = rng.choice([rng.integers(256), rng.choice(list(b'0123456789-e.,"[]{}'))])
        if n % 10 == 9:
            del changed[rng.integers(len(content) // 2) : -30 if n % 20 == 9 else -8]
        yield with_checksum(bytes(changed))


def with_manifest(content, change, change_text=lambda text: text):
    """The file with a changed manifest."""
    return with_member(content, "extra/mlpot.json", lambda text: change_text(changed_json(text, change)))


def with_index(content, change):
    """The file with a changed index of its tensors."""
    return with_member(content, INDEX, lambda text: changed_json(text, change))


def changed_json(text, change):
    return json.dumps(change(json.loads(text))).encode()


def with_member(content, name, change, **options):
    """The file with a changed member and a valid checksum, as a foreign writer would produce it."""
    source, target = zipfile.ZipFile(io.BytesIO(content)), io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for entry in source.namelist():
            data = source.read(entry)
            found = entry == f"archive/{name}"
            archive.writestr(entry, change(data) if found else data, **(options if found else {}))
    mark = b"mlpot-crc32:"
    return with_checksum(target.getvalue()[:-2] + struct.pack("<H", len(mark) + 8) + mark + bytes(8))
