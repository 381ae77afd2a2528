"""Account of the labels of a data set: what was found, missing or left aside. Printable with rich.

Filled by `labels.LabelFinder` frame by frame, kept by the sequences that `read_structures` returns.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table

from mlpot.data.findings import Finding, findings_table, frame_list

KEY_LABELS = ("energy", "forces", "stress", "virial")


@dataclass
class LabelReport:
    """What reading found.

    Attributes
    ----------
    n_frames : int
    used : dict
        Label to key to number of frames it was taken from.
    ignored : dict
        Label to key to number of frames in which it could have been the label but another one was taken.
    missing : dict
        ``energy``, ``forces``, ``stress`` to the frames without it.
    findings : list of Finding
        Malformed labels, disagreeing keys and the like.
    """

    n_frames: int = 0
    used: dict[str, Counter[str]] = field(default_factory=lambda: {label: Counter() for label in KEY_LABELS})
    ignored: dict[str, Counter[str]] = field(default_factory=lambda: {label: Counter() for label in KEY_LABELS})
    missing: dict[str, list[int]] = field(default_factory=lambda: {label: [] for label in KEY_LABELS})
    findings: list[Finding] = field(default_factory=list)
    _open: dict[tuple[str, str], tuple[Finding, list[int]]] = field(default_factory=dict, repr=False)

    def add(self, finding: Finding) -> None:
        """Add a finding about one frame; those of one kind are joined, with the first one's message."""
        key = (finding.severity, finding.kind)
        _, frames = self._open.setdefault(key, (finding, []))
        frames.extend(finding.frames)

    def close(self) -> None:
        """Turn what was noted into `findings`."""
        for first, frames in self._open.values():
            message = first.message + (f" (the first of {len(frames)})" if len(frames) > 1 else "")
            self.findings.append(Finding(first.severity, first.kind, message, first.remedy, tuple(frames)))
        self._open.clear()
        self.findings.extend(finding for label in self.used if (finding := self._several(label)))
        self.findings.extend(finding for label in self.used if (finding := self._left_aside(label)))

    def _several(self, label: str) -> Finding | None:
        if len(self.used[label]) < 2:
            return None
        return Finding(
            "warning",
            "mixed-keys",
            f"{label} was taken from different keys: {_counts(self.used[label])}",
            f"name one with {label}_key, or check that they mean the same",
        )

    def _left_aside(self, label: str) -> Finding | None:
        if not self.ignored[label]:
            return None
        same = {key.lower().removeprefix("free_") for key in [*self.used[label], *self.ignored[label]]} == {"energy"}
        return Finding(
            "info" if same else "warning",
            "ignored-keys",
            f"{label} is read from {_counts(self.used[label])}; not used: {_counts(self.ignored[label])}"
            + (" (forces are derivatives of the free energy)" if same else ""),
            "" if same else f"name the right one with {label}_key",
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain data for a manifest or a database."""
        return {
            "n_frames": self.n_frames,
            "used": {label: dict(keys) for label, keys in self.used.items()},
            "ignored": {label: dict(keys) for label, keys in self.ignored.items()},
            "missing": {label: list(frames) for label, frames in self.missing.items()},
            "findings": [vars(finding) for finding in self.findings],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "LabelReport":
        """Inverse of `as_dict`."""
        return cls(
            data["n_frames"],
            {label: Counter(keys) for label, keys in data["used"].items()},
            {label: Counter(keys) for label, keys in data["ignored"].items()},
            {label: list(frames) for label, frames in data["missing"].items()},
            [Finding(**{**finding, "frames": tuple(finding["frames"])}) for finding in data["findings"]],
        )

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self.table()
        if self.findings:
            yield findings_table(self.findings, "while reading")

    def table(self) -> Table:
        """Labels, where they come from and where they are missing."""
        table = Table(title=f"labels of {self.n_frames} structures", title_justify="left")
        for column in ("label", "read from", "missing in", "not used"):
            table.add_column(column, overflow="fold")
        for label in ("energy", "forces", "stress"):
            sources = self.used[label] + (self.used["virial"] if label == "stress" else Counter())
            spare = self.ignored[label] + (self.ignored["virial"] if label == "stress" else Counter())
            missing = self.missing[label]
            lacking = "all" if missing and not sources else frame_list(missing) or "-"
            table.add_row(label, _counts(sources) or "-", lacking, _counts(spare) or "-")
        return table


def _counts(keys: Mapping[str, int]) -> str:
    return ", ".join(f"{key} ({count})" for key, count in keys.items())
