"""From the records of the rounds to a report: rows, the machine, and what was left out."""

import datetime
import os
import platform
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ase
import torch

import mlpot
from mlpot.benchmark.cases import Plan
from mlpot.benchmark.process import measure
from mlpot.benchmark.results import Machine, Report, Row, Skipped
from mlpot.benchmark.rounds import Record
from mlpot.benchmark.systems import SKIN, TEMPERATURE, TIMESTEP, System


def make_report(
    plan: Plan, records: Sequence[Record], rounds: int, rate: float | None, *, interrupted: bool = False
) -> Report:
    """Put together what is known.

    Parameters
    ----------
    plan : Plan
    records : sequence of Record
    rounds : int
        Rounds that were begun.
    rate : float, 1e9/s
        Of `matrix_rate`, if it is known.
    interrupted : bool

    Returns
    -------
    Report
    """
    rows = [_row(record, plan.smallest) for record in records if record.trial]
    failed = [
        Skipped(name=str(record.case), reason=" ".join(record.error.split())) for record in records if record.error
    ]
    return Report(
        command=shlex.join(["mlpot", *sys.argv[1:]]),
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        versions=_versions(records),
        machine=_machine(rows, rate),
        system=plan.cases[0].system.name if plan.cases else "",
        neighbors=plan.neighbors,
        cutoff=plan.cutoff,
        temperature=TEMPERATURE,
        timestep=TIMESTEP,
        skin=SKIN,
        rounds=rounds,
        interrupted=interrupted,
        rows=rows,
        skipped=list(plan.skipped),
        failed=failed,
    )


def matrix_rate() -> float:
    """Measure the rate of a large float32 matrix product on one core, in 1e9 operations a second."""
    rate: float = measure({"program": "peak", "size": 1024, "steps": 20}, threads=1)["gflops"]
    return rate


def _row(record: Record, smallest: System) -> Row:
    case, answers = record.case, record.answers or [record.trial]
    n_atoms = len(case.system.atoms)
    return Row(
        potential=case.potential,
        mlpot=case.mlpot,
        program=case.program,
        engine=record.trial["engine"],
        precision=record.trial["precision"],
        atoms=n_atoms,
        ranks=case.ranks,
        threads=case.threads,
        steps=record.steps,
        us_per_atom_step=[1e6 * answer["seconds_per_step"] / n_atoms for answer in answers],
        trial=not record.answers,
        list_builds=answers[-1].get("list_builds"),
        bytes_per_atom=_memory(record, answers, n_atoms - len(smallest.atoms)),
    )


def _memory(record: Record, answers: Sequence[dict[str, Any]], more_atoms: int) -> float | None:
    if record.base_bytes is None or more_atoms <= 0:
        return None
    return float((max(answer["peak_bytes"] for answer in answers) - record.base_bytes) / more_atoms)


def _versions(records: Sequence[Record]) -> dict[str, str]:
    found = {"mlpot": mlpot.__version__, "torch": torch.__version__, "ase": ase.__version__}
    lammps = [record.trial["version"] for record in records if record.trial.get("version")]
    return {"LAMMPS": lammps[0], **found} if lammps else found


def _machine(rows: Sequence[Row], rate: float | None) -> Machine:
    native = [match[1] for row in rows if (match := re.fullmatch(r"native \((\w+)\)", row.engine))]
    return Machine(
        processor=processor_name(),
        cores=usable_cores(),
        instructions=native[0] if native else "",
        gflops_per_core=rate,
        system=platform.platform(),
    )


def processor_name() -> str:
    """Name of the processor, as the system has it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def usable_cores() -> int:
    """Count the cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
