"""Model files with changed bytes and a correct checksum: only the checks of the reader find the change."""

import io
import json
import struct
import zipfile
import zlib

import numpy as np


def with_checksum(content):
    """The file with the checksum of its bytes at the end."""
    return content[:-8] + b"%08x" % zlib.crc32(content[:-8])


def header(content):
    """First and last byte of the header of the plain tensors."""
    first = content.index(b'{"', content.index(b"mlpot.safetensors"))
    return first, first + int.from_bytes(content[first - 8 : first], "little")


def damaged(content, number, seed=0):
    """Byte strings: changed manifests, headers, tensors, directories of the archive; and cut ones."""
    rng = np.random.default_rng(seed)
    manifest = content.index(b'{\n "format_version"')
    first, last = header(content)
    directory = content.index(b"PK\x01\x02")
    regions = [(manifest, manifest + 2000), (first - 8, last), (last, last + 4000), (directory, len(content) - 20)]
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
    """The file with a changed manifest and a valid checksum, as a foreign writer would produce it."""
    source, target = zipfile.ZipFile(io.BytesIO(content)), io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for entry in source.namelist():
            data = source.read(entry)
            if entry.endswith("mlpot.json"):
                data = change_text(json.dumps(change(json.loads(data))).encode())
            archive.writestr(entry, data)
    mark = b"mlpot-crc32:"
    body = target.getvalue()[:-2] + struct.pack("<H", len(mark) + 8) + mark
    return body + b"%08x" % zlib.crc32(body)
