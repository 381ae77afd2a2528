"""Checks of positions and cells: unusable structures, atoms too close, wrong length unit, cells that do nothing."""

from collections.abc import Sequence

import numpy as np
from ase.data import chemical_symbols

from mlpot.data.checks.records import FrameRecord
from mlpot.data.findings import Finding
from mlpot.neighbors.overlap import CLOSEST_IN_MD

NOBLE_GASES = {2, 10, 18, 36, 54, 86}


def check_geometry(records: Sequence[FrameRecord]) -> list[Finding]:
    """Find structures that cannot be used or are suspicious."""
    return [*_unusable(records), *_too_close(records), *_length_unit(records), *_idle_cells(records)]


def _unusable(records: Sequence[FrameRecord]) -> list[Finding]:
    bad = [record for record in records if record.structure_error]
    if not bad:
        return []
    frames = tuple(record.frame for record in bad)
    return [Finding("error", "structure", str(bad[0].structure_error), "correct or remove these frames", frames)]


def _too_close(records: Sequence[FrameRecord], limit: float = CLOSEST_IN_MD) -> list[Finding]:
    bad = sorted((record for record in records if record.closest < limit), key=lambda record: record.closest)
    if not bad:
        return []
    return [
        Finding(
            "warning",
            "close-atoms",
            f"atoms much closer than a bond, closest {bad[0].closest_pair}: {bad[0].closest:.2f} of the covalent radii",
            "remove what is not meant as short-range data",
            tuple(record.frame for record in bad),
        )
    ]


def _length_unit(records: Sequence[FrameRecord]) -> list[Finding]:
    """Bohr or nm: then the closest atoms of nearly all structures are too far or too near."""
    usual = [record.closest for record in records if not NOBLE_GASES & set(record.numbers.tolist())]
    ratios = np.array([ratio for ratio in usual if np.isfinite(ratio)])
    if len(ratios) == 0 or 0.6 < np.median(ratios) < 1.6:
        return []
    guess = "Bohr" if np.median(ratios) > 1 else "nm or scaled coordinates"
    return [
        Finding(
            "warning",
            "length-unit",
            f"the closest atoms are {np.median(ratios):.2f} bond lengths apart (median): positions in {guess}?",
            "convert positions and cell to A",
        )
    ]


def _idle_cells(records: Sequence[FrameRecord]) -> list[Finding]:
    findings = []
    idle = tuple(record.frame for record in records if record.n_periodic == 0 and record.volume > 1e-9)
    if idle:
        findings.append(
            Finding(
                "warning",
                "cell-without-pbc",
                "there is a cell but `pbc` is off, so nothing repeats",
                "set `pbc` if these are periodic, delete the cell if not",
                idle,
            )
        )
    alone = [r for r in records if r.n_atoms > 1 and r.structure_error is None and np.isnan(r.closest)]
    if alone:
        elements = sorted({chemical_symbols[z] for record in alone for z in record.numbers})
        findings.append(
            Finding(
                "info",
                "far-atoms",
                f"no two atoms within 8 A of each other ({', '.join(elements)})",
                "",
                tuple(record.frame for record in alone),
            )
        )
    return findings
