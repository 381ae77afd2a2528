"""Checks for structures that occur twice: to the bit, in other order or image, or rotated; and with other labels."""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from mlpot.data.checks.records import FrameRecord
from mlpot.data.findings import Finding
from mlpot.data.structure import LabelledStructure

SAME_POSITION = 1e-4  # A
SAME_ENERGY = 1e-3  # eV/atom


def check_duplicates(records: Sequence[FrameRecord], structures: Sequence[LabelledStructure]) -> list[Finding]:
    """Find repeated structures; those whose energies differ contradict each other."""
    identical: set[int] = set()
    reordered: set[int] = set()
    rotated: set[int] = set()
    contradicting: dict[tuple[int, int], float] = {}
    for first, second in _equivalent_pairs(records):
        pair = (first.frame, second.frame)
        difference = abs((first.energy or 0.0) - (second.energy or 0.0)) / first.n_atoms
        both = first.energy is not None and second.energy is not None
        if first.digest == second.digest:
            identical.update(pair)
        elif _same_sites(structures[first.frame], structures[second.frame]):
            reordered.update(pair)
        else:
            # Fingerprints cover 4 A; only with equal energies are these certainly the same.
            if both and difference < SAME_ENERGY:
                rotated.update(pair)
            continue
        if both and difference > SAME_ENERGY:
            contradicting[pair] = difference
    findings = []
    if identical:
        message = "the same structure more than once"
        findings.append(Finding("warning", "duplicate", message, "keep one of each", tuple(sorted(identical))))
    if reordered:
        message = "the same structure with its atoms in another order or periodic image"
        findings.append(
            Finding("warning", "duplicate-reordered", message, "keep one of each", tuple(sorted(reordered)))
        )
    if rotated:
        message = "structures equal but for a rotation, reflection or translation: they carry the same information"
        findings.append(Finding("info", "duplicate-rotated", message, "", tuple(sorted(rotated))))
    if contradicting:
        worst = max(contradicting, key=lambda pair: contradicting[pair])
        findings.append(
            Finding(
                "error",
                "contradiction",
                f"equal structures with different energies, by {contradicting[worst]:.4g} eV/atom in frames {worst}",
                "find out which DFT settings are meant and remove the others",
                tuple(sorted({frame for pair in contradicting for frame in pair})),
            )
        )
    return findings


def _equivalent_pairs(records: Sequence[FrameRecord]) -> Iterator[tuple[FrameRecord, FrameRecord]]:
    """Pairs whose fingerprints agree, each structure with the next one of its kind."""
    families: dict[tuple[str, int], list[FrameRecord]] = {}
    for record in records:
        if (len(record.fingerprint) and record.n_atoms > 1) or record.is_isolated_atom:
            families.setdefault((record.structure, record.n_periodic), []).append(record)
    for family in families.values():
        ordered = sorted(family, key=lambda record: (float(record.fingerprint.sum()), record.volume, record.frame))
        for first, second in itertools.pairwise(ordered):
            same_volume = first.n_periodic < 3 or abs(first.volume - second.volume) < 1e-6 * first.volume
            if same_volume and np.allclose(first.fingerprint, second.fingerprint, rtol=0, atol=1e-4):
                yield first, second


def _same_sites(first: LabelledStructure, second: LabelledStructure) -> bool:
    """Every atom of one structure lies on an atom of the same element of the other, up to cell vectors."""
    a, b = first.atoms, second.atoms
    if not np.allclose(a.cell.array, b.cell.array, rtol=0, atol=SAME_POSITION):
        return False
    difference = a.positions[:, None] - b.positions[None]
    if a.pbc.any() and first.volume > 1e-9:
        scaled = difference @ np.linalg.inv(a.cell.array)
        difference = (scaled - np.round(scaled) * a.pbc) @ a.cell.array
    near = np.linalg.norm(difference, axis=2) < SAME_POSITION
    return bool((near & (a.numbers[:, None] == b.numbers[None])).any(axis=1).all())
