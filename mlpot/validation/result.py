"""Result of a check: passed, failed or skipped, with a sentence, numbers and plots."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ase import Atoms
from matplotlib.axes import Axes

from mlpot.errors import MLPotError

Status = Literal["passed", "failed", "skipped"]
Panel = Callable[[Axes], None]
OnProgress = Callable[[float], None]
"""Called with the completed fraction of a check, 0 to 1."""


@dataclass(frozen=True)
class CheckResult:
    """Result of one check.

    Attributes
    ----------
    name : str
    status : {"passed", "failed", "skipped"}
    sentence : str
        What was found, with units.
    numbers : dict
        The same for a program; names end with their unit.
    panels : tuple of callable
        Each draws one plot on an axis.
    structures : tuple of ase.Atoms
        Structures with which a failed check failed, to be labelled and trained on.
    seconds : float, s
        Wall time of the check.
    """

    name: str
    status: Status
    sentence: str
    numbers: dict[str, Any] = field(default_factory=dict)
    panels: tuple[Panel, ...] = ()
    structures: tuple[Atoms, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True)
class Check:
    """A named check that has not run yet.

    Attributes
    ----------
    name : str
    run : callable
        Takes an `OnProgress`; the result it returns needs no name.
    cost : float
        Wall time relative to the other checks, for the progress bar.
    """

    name: str
    run: Callable[[OnProgress], CheckResult]
    cost: float = 1.0

    def result(self, progress: OnProgress) -> CheckResult:
        """Run the check; an `MLPotError` counts as a failure."""
        begin = time.perf_counter()
        try:
            result = self.run(progress)
        except MLPotError as error:
            result = CheckResult("", "failed", str(error))
        return replace(result, name=self.name, seconds=time.perf_counter() - begin)


def passed_or_failed(
    problems: Sequence[str],
    summary: str,
    numbers: dict[str, Any],
    *panels: Panel,
    structures: Sequence[Atoms] = (),
) -> CheckResult:
    """Failed with all `problems`, or passed with `summary` where there are none.

    Parameters
    ----------
    problems : sequence of str
    summary : str
        What was checked, and how well it holds.
    numbers : dict
    *panels : callable
    structures : sequence of ase.Atoms
        Where the problems occur; dropped from a result that passed.
    """
    if not problems:
        return CheckResult("", "passed", summary, numbers, panels)
    return CheckResult("", "failed", "; ".join(problems), numbers, panels, tuple(structures))


def skipped(reason: str) -> CheckResult:
    """Skip a check for which something is missing."""
    return CheckResult("", "skipped", reason)
