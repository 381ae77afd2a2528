"""What was noticed about a data set: one `Finding` per problem, printed as a table.

Reading and checking both produce findings, so that `mlpot data check` shows them together.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.table import Table
from rich.text import Text

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
STYLES: dict[Severity, str] = {"error": "bold red", "warning": "yellow", "info": "dim"}


@dataclass(frozen=True)
class Finding:
    """An error, a warning or a note about the data.

    Attributes
    ----------
    severity : str
        ``error``: do not train on this; ``warning``: probably wrong; ``info``: worth knowing.
    kind : str
        Short name of the check, such as ``duplicate``.
    message : str
        What was found, with numbers and units.
    remedy : str
        What to do about it.
    frames : tuple of int
        Indices of the structures concerned; empty if all of them are.
    """

    severity: Severity
    kind: str
    message: str
    remedy: str = ""
    frames: tuple[int, ...] = ()


def frame_list(frames: Sequence[int], limit: int = 6) -> str:
    """Write indices as short text: ``0-3, 7, ... (12 in all)``."""
    ordered = sorted(frames)
    runs: list[list[int]] = []
    for frame in ordered:
        if runs and frame == runs[-1][1] + 1:
            runs[-1][1] = frame
        else:
            runs.append([frame, frame])
    parts = [str(first) if first == last else f"{first}-{last}" for first, last in runs[:limit]]
    shortened = f", ... ({len(ordered)} in all)" if len(runs) > limit else ""
    return ", ".join(parts) + shortened


def findings_table(findings: Iterable[Finding], title: str) -> Table:
    """Table of findings, errors first."""
    table = Table(title=title, show_lines=True, title_justify="left")
    table.add_column("severity", no_wrap=True)
    table.add_column("kind", no_wrap=True)
    table.add_column("finding", overflow="fold")
    for finding in sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity)):
        style = STYLES[finding.severity]
        lines = [finding.message]
        if finding.frames:
            lines.append(f"frames {frame_list(finding.frames)}")
        if finding.remedy:
            lines.append(f"-> {finding.remedy}")
        table.add_row(Text(finding.severity, style=style), finding.kind, Text("\n".join(lines)))
    return table
