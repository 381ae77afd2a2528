"""Training and validation parts of the labels, which share no formula."""

import hashlib

from universal_set.geometry import reduced_formula
from universal_set.shards import Labelled

ALONE = ("atom", "element")  # kinds of one element: all for training, for nothing else teaches these


def is_validation(frame: Labelled, share: float = 0.05) -> bool:
    """Whether a frame belongs to the `share` of formulas that validate.

    The same crystal comes in many jobs and shards, so that jobs apart would not be independent; formulas are. The
    choice depends on the formula alone: it stays as it is when shards are added.
    """
    if frame.kind in ALONE:
        return False
    digest = hashlib.sha256(b"validation" + reduced_formula(frame.atoms).encode()).digest()
    return int.from_bytes(digest[:4], "big") < share * 2**32
