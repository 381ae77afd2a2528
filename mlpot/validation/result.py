"""What a check says: passed, failed or skipped, in one sentence, with its numbers and its pictures."""

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
"""Called with the part of the check that is done, 0 to 1."""


@dataclass(frozen=True)
class Verdict:
    """Outcome of one check.

    Attributes
    ----------
    name : str
    status : {"passed", "failed", "skipped"}
    sentence : str
        What was found, with units.
    numbers : dict
        The same for a program; names end in their unit.
    panels : tuple of callable
        Each draws one picture on an axis.
    structures : tuple of ase.Atoms
        Those that a failed check found fault with; for the next training.
    seconds : float, s
        What the check took.
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
    """A check that waits to be run.

    Attributes
    ----------
    name : str
    run : callable
        Takes a `OnProgress`; its verdict needs no name.
    cost : float
        What it takes, relative to the others: for the bar.
    """

    name: str
    run: Callable[[OnProgress], Verdict]
    cost: float = 1.0

    def verdict(self, progress: OnProgress) -> Verdict:
        """Run; an error of mlpot on the way is a failure.

        Parameters
        ----------
        progress : callable

        Returns
        -------
        Verdict
        """
        begin = time.perf_counter()
        try:
            verdict = self.run(progress)
        except MLPotError as error:
            verdict = failed(str(error))
        return replace(verdict, name=self.name, seconds=time.perf_counter() - begin)


def judged(
    problems: Sequence[str],
    praise: str,
    numbers: dict[str, Any],
    *panels: Panel,
    structures: Sequence[Atoms] = (),
) -> Verdict:
    """Failed with all problems, or passed where there are none.

    Parameters
    ----------
    problems : sequence of str
    praise : str
        What is good, where nothing is wrong.
    numbers : dict
    *panels : callable
    structures : sequence of ase.Atoms
        Where the problems were seen.

    Returns
    -------
    Verdict
    """
    if not problems:
        return Verdict("", "passed", praise, numbers, panels)
    return Verdict("", "failed", "; ".join(problems), numbers, panels, tuple(structures))


def failed(sentence: str) -> Verdict:
    """Verdict of a check that could not even be finished.

    Parameters
    ----------
    sentence : str

    Returns
    -------
    Verdict
    """
    return Verdict("", "failed", sentence)


def skipped(reason: str) -> Verdict:
    """Verdict of a check for which something is missing.

    Parameters
    ----------
    reason : str

    Returns
    -------
    Verdict
    """
    return Verdict("", "skipped", reason)
