"""Checks of a data set: errors that would spoil a potential, found before it is trained.

`check` gathers each structure's figures in one pass (`records`), compares similar structures (`consistency`), and lets
each group of checks turn these into findings.
"""

from collections.abc import Sequence

from mlpot.data.checks.agreement import check_agreement
from mlpot.data.checks.consistency import work_pairs
from mlpot.data.checks.duplicates import check_duplicates
from mlpot.data.checks.energies import check_energies
from mlpot.data.checks.geometry import check_geometry
from mlpot.data.checks.labels import check_labels
from mlpot.data.checks.records import scan
from mlpot.data.findings import SEVERITIES, Finding
from mlpot.data.reference import elements_of, energy_table
from mlpot.data.structure import LabelledStructure

__all__ = ["check"]


def check(structures: Sequence[LabelledStructure]) -> list[Finding]:
    """Look for what is wrong with a data set.

    Shapes and finiteness of labels are checked by reading; what it found (``structures.report``) is included.

    Parameters
    ----------
    structures : sequence of LabelledStructure

    Returns
    -------
    list of Finding
        Errors first; empty for a good data set.
    """
    report = getattr(structures, "report", None)
    records = scan(structures)
    findings = [
        *(report.findings if report is not None else ()),
        *check_geometry(records),
        *check_labels(records),
        *check_duplicates(records, structures),
        *check_energies(records, energy_table(structures, elements_of(structures))),
        *check_agreement(work_pairs(structures)),
    ]
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))
