"""Interleaved rounds: every case once in each, so that a machine that slows down slows down all of them alike.

A trial of a few steps comes first. It finds out how many steps fill the time of a sample, and which cases fail.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlpot.benchmark.cases import Case
from mlpot.benchmark.process import measure
from mlpot.benchmark.styles import input_script
from mlpot.benchmark.systems import TEMPERATURE, TIMESTEP, System, write_ase, write_lammps
from mlpot.errors import EngineError

_TRIAL_STEPS = 2
_WARM_UP = 1
_MOST_STEPS = 500
"""Longest run: in longer ones untrained potentials could move the atoms far from the crystal."""


@dataclass
class Record:
    """What is known of a case.

    Attributes
    ----------
    case : Case
    trial : dict
        Answer of `worker` in the trial; empty before.
    answers : list of dict
        Those of the rounds.
    steps : int
        Of a sample.
    base_bytes : int or None
        Peak memory with a few atoms.
    seconds : float or None
        What the last measurement took, all included.
    left : int
        Measurements to come.
    error : str
    """

    case: Case
    trial: dict[str, Any] = field(default_factory=dict)
    answers: list[dict[str, Any]] = field(default_factory=list)
    steps: int = _TRIAL_STEPS
    base_bytes: int | None = None
    seconds: float | None = None
    left: int = 0
    error: str = ""


class Workplace:
    """Measures cases in a folder in which the structures are written once.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: dict[tuple[int, str], Path] = {}

    def measure(self, case: Case, system: System, warm_up: int, steps: int) -> dict[str, Any]:
        """Measure once; the answer of `worker`."""
        if case.calculator is None:
            data = self._file(system, "LAMMPS")
            omp_threads = 1 if case.mlpot else case.threads
            script = input_script(case.pair, data, system.atoms.pbc, warm_up, steps, omp_threads)
            task = {"program": "LAMMPS", "script": script, "ranks": case.ranks, "threads": case.threads}
            return measure({**task, "folder": str(self.folder)}, threads=case.threads)
        task = {"program": "ASE", "calculator": case.calculator, "structure": str(self._file(system, "ASE"))}
        times = {"warm_up": warm_up, "steps": steps, "temperature": TEMPERATURE, "timestep": TIMESTEP}
        return measure({**task, **times}, threads=case.threads)

    def _file(self, system: System, program: str) -> Path:
        key = (id(system), program)
        if key not in self._files:
            self._files[key] = self.folder / f"{len(self._files)}.structure"
            (write_lammps if program == "LAMMPS" else write_ase)(system, self._files[key])
        return self._files[key]


class Rounds:
    """The course of a benchmark.

    Parameters
    ----------
    cases : sequence of Case
    workplace : Workplace
    rounds : int
        That are planned.
    smallest : System, optional
        A few atoms: memory is measured, beyond theirs.
    on_progress : callable
        Called before each measurement with what it is, and the seconds done and expected.

    Attributes
    ----------
    records : list of Record
        What is known so far; complete at any time.
    """

    def __init__(
        self,
        cases: Sequence[Case],
        workplace: Workplace,
        rounds: int,
        smallest: System | None,
        on_progress: Callable[[str, float, float], None],
    ) -> None:
        self.records = [Record(case, left=rounds + (1 if smallest is None else 2)) for case in cases]
        self._workplace = workplace
        self._smallest = smallest
        self._on_progress = on_progress
        self._done = 0.0

    def trial(self, seconds: float) -> None:
        """Find the steps that take about `seconds`, and what fails.

        Parameters
        ----------
        seconds : float
        """
        for record in self.records:
            answer = self._measure(record, "trial", record.case.system, _TRIAL_STEPS)
            if answer is None:
                continue
            record.trial = answer
            record.steps = min(max(int(seconds / answer["seconds_per_step"]), _TRIAL_STEPS), _MOST_STEPS)
            if self._smallest is not None:
                base = self._measure(record, "memory", self._smallest, 1)
                record.base_bytes = base["peak_bytes"] if base else None

    def round(self, title: str) -> None:
        """One sample of every case that works."""
        for record in self.records:
            answer = self._measure(record, title, record.case.system, record.steps)
            if answer is not None:
                record.answers.append(answer)

    def _measure(self, record: Record, title: str, system: System, steps: int) -> dict[str, Any] | None:
        if record.error:
            return None
        self._on_progress(f"{title}: {record.case}", self._done, self._done + self._expected())
        start = time.perf_counter()
        try:
            answer = self._workplace.measure(record.case, system, _WARM_UP, steps)
        except EngineError as error:
            record.error, record.left = str(error), 0
            return None
        record.left -= 1
        record.seconds = time.perf_counter() - start
        self._done += record.seconds
        return answer

    def _expected(self) -> float:
        """Seconds to go: what has been measured takes as long again, and the rest as long as that on average."""
        known = [record.seconds for record in self.records if record.seconds is not None]
        mean = sum(known) / len(known) if known else 3.0
        return sum(record.left * (record.seconds or mean) for record in self.records)
