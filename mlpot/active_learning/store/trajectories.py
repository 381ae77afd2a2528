"""Record of an exploration trajectory: the result of a step `explore`, as plain values and back."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

EndKind = Literal["complete", "uncertain", "unphysical", "failed"]


@dataclass(frozen=True)
class Ending:
    """How a trajectory ended.

    Attributes
    ----------
    kind : str
        ``complete``; ``uncertain``: a force interval above the limit (`explore.max_uncertainty_factor`);
        ``unphysical``: a frame that no DFT code should compute; ``failed``: an error.
    reason : str
        Empty for ``complete``.
    """

    kind: EndKind = "complete"
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.kind}: {self.reason}" if self.reason else self.kind


@dataclass(frozen=True)
class FrameRecord:
    """A frame of a trajectory.

    Attributes
    ----------
    structure : str
        Hash.
    details : mapping
        ``time`` (ps), ``temperature`` (K), ``force_interval`` (eV/A, largest of its atoms), ``core`` (atoms whose
        environment is that of the frame that this one was cut out of), ``unphysical`` (why).
    """

    structure: str
    details: Mapping[str, Any]


@dataclass(frozen=True)
class TrajectoryRecord:
    """An exploration trajectory.

    Attributes
    ----------
    start : str
        Kind of the initial state: ``bulk``, ``vacancy``, ``random_packing``, ...
    frames : list of FrameRecord
        Uncertain frames.
    random_frame : FrameRecord or None
        Drawn at random from all checked frames.
    picoseconds : float
    n_checks : int
        Checks of the uncertainty.
    expected_fraction : float
        Fraction of the force errors that is expected below the target, mean over all checks.
    ending : Ending
    left_out : list of str
        For each frame that is too large for DFT and could not be cut: why.
    """

    start: str
    frames: list[FrameRecord]
    random_frame: FrameRecord | None
    picoseconds: float
    n_checks: int
    expected_fraction: float
    ending: Ending
    left_out: list[str]

    @property
    def failure(self) -> str | None:
        """Why a trajectory ended at its start, or without any frame to label; None if it was of use."""
        useful = self.picoseconds > 0.0 and (self.frames or self.random_frame is not None)
        return None if useful or self.ending.kind != "failed" else self.ending.reason

    def as_values(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> "TrajectoryRecord":
        """Inverse of `as_values`."""
        random_frame = values["random_frame"]
        return cls(
            **{
                **values,
                "frames": [FrameRecord(**frame) for frame in values["frames"]],
                "random_frame": None if random_frame is None else FrameRecord(**random_frame),
                "ending": Ending(**values["ending"]),
            }
        )
