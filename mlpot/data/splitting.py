"""Training, validation and test parts: by a seeded hash, by group, or by an entry of `atoms.info`.

The hash is one of the structure's content, so the parts depend neither on the order of the file nor on its name, and
identical structures never end up in two parts.
"""

import hashlib
from collections.abc import Mapping, Sequence

from mlpot.data.findings import frame_list
from mlpot.data.hashing import geometry_digest
from mlpot.data.structure import LabelledStructure
from mlpot.errors import DataError


def split(
    structures: Sequence[LabelledStructure], fractions: Mapping[str, float], seed: int, by: str | None = None
) -> dict[str, list[int]]:
    """Divide structures into named parts.

    Parameters
    ----------
    structures : sequence of LabelledStructure
    fractions : mapping of name to fraction
        Positive, with sum 1. Isolated atoms go to the first part: they define energies, they test nothing.
    seed : int
    by : str
        Keep structures together that agree in this: ``config_type`` or an entry of `info`.

    Returns
    -------
    dict of name to list of int
        Ascending indices; each structure is in one part.

    Raises
    ------
    DataError
        Fractions that do not add up, a structure without the group key, or a part that would be empty.
    """
    _check_fractions(fractions)
    groups: dict[bytes, list[int]] = {}
    parts: dict[str, list[int]] = {name: [] for name in fractions}
    for i, structure in enumerate(structures):
        if structure.is_isolated_atom and by is None:
            parts[next(iter(parts))].append(i)
        else:
            groups.setdefault(_group(structure, i, by), []).append(i)
    order = sorted(groups, key=lambda key: hashlib.sha256(seed.to_bytes(16, "big", signed=True) + key).digest())
    total = sum(len(members) for members in groups.values())
    placed = 0
    for key in order:
        # A group goes where its middle falls, which keeps the sizes as close to the fractions as groups allow.
        parts[_part_at((placed + 0.5 * len(groups[key])) / total, fractions)].extend(groups[key])
        placed += len(groups[key])
    empty = [name for name, members in parts.items() if not members]
    if empty:
        raise DataError(
            f"the split leaves nothing for {', '.join(empty)}: {len(groups)} groups of structures "
            f"for fractions {dict(fractions)}; give larger fractions, more data, or files of your own"
        )
    return {name: sorted(members) for name, members in parts.items()}


def split_by_key(structures: Sequence[LabelledStructure], key: str = "split") -> dict[str, list[int]]:
    """Parts as the data names them in an entry of `info`.

    Returns
    -------
    dict of name to list of int
    """
    parts: dict[str, list[int]] = {}
    missing = []
    for i, structure in enumerate(structures):
        if key in structure.atoms.info:
            parts.setdefault(str(structure.atoms.info[key]), []).append(i)
        else:
            missing.append(i)
    if missing:
        raise DataError(f"frames {frame_list(missing)} have no `{key}` that names their part")
    return parts


def _check_fractions(fractions: Mapping[str, float]) -> None:
    if not fractions or min(fractions.values()) <= 0 or abs(sum(fractions.values()) - 1) > 1e-9:
        raise DataError(f"`fractions` must be positive and add up to 1, got {dict(fractions)}")


def _part_at(place: float, fractions: Mapping[str, float]) -> str:
    reached = 0.0
    for name, fraction in fractions.items():
        reached += fraction
        if place < reached:
            return name
    return name


def _group(structure: LabelledStructure, frame: int, by: str | None) -> bytes:
    if by is None:
        return geometry_digest(structure)
    if by == "config_type":
        return structure.config_type.encode()
    if by not in structure.atoms.info:
        raise DataError(f"frame {frame} has no `{by}` to group by; it has {', '.join(structure.atoms.info) or 'none'}")
    return str(structure.atoms.info[by]).encode()
