"""What a benchmark found: rows of samples, the machine, and what was left out; JSON in and out."""

import statistics
from pathlib import Path
from typing import Literal

from pydantic import Field

from mlpot.config import StrictModel
from mlpot.running.atomic_write import write_atomically

Program = Literal["LAMMPS", "ASE"]


class Row(StrictModel):
    """Cost of one potential in one program, at one size and on one number of processors."""

    potential: str
    mlpot: bool = Field(description="whether it is a potential of mlpot")
    program: Program
    engine: str = Field(description="name of the engine; empty for potentials of LAMMPS")
    precision: str
    atoms: int
    ranks: int
    threads: int
    steps: int = Field(description="timed steps of each sample")
    us_per_atom_step: list[float] = Field(description="one sample per round: wall time of a whole timestep")
    trial: bool = Field(description="stopped before the first round: the sample is that of the trial before it")
    list_builds: int | None = Field(description="neighbor lists built in the timed steps of the last sample, in LAMMPS")
    bytes_per_atom: float | None = Field(description="peak resident memory beyond that of a system of a few atoms")

    @property
    def median(self) -> float:
        """Median of the samples, us/atom/step."""
        return statistics.median(self.us_per_atom_step)


class Skipped(StrictModel):
    """Something that was not measured, and why."""

    name: str
    reason: str


class Machine(StrictModel):
    """Where it was measured."""

    processor: str
    cores: int = Field(description="that this process may use")
    instructions: str = Field(description="instruction set that the native engine chose; empty where it did not run")
    gflops_per_core: float | None = Field(description="rate of a large float32 matrix product on one core, in 1e9/s")
    system: str


class Report(StrictModel):
    """A whole benchmark."""

    command: str
    created: str
    versions: dict[str, str]
    machine: Machine
    system: str
    neighbors: float
    cutoff: float
    temperature: float
    timestep: float
    skin: float
    rounds: int
    interrupted: bool
    rows: list[Row]
    skipped: list[Skipped] = Field(description="what cannot be measured here")
    failed: list[Skipped] = Field(description="what should have worked and did not")

    def reference(self) -> Row | None:
        """Row that others are compared with: the first of mlpot."""
        return next((row for row in self.rows if row.mlpot), None)


def write_report(report: Report, path: Path) -> None:
    """Write a report as JSON."""
    write_atomically(path, report.model_dump_json(indent=1) + "\n")


def read_report(path: Path) -> Report:
    """Read what `write_report` wrote."""
    return Report.model_validate_json(path.read_text(encoding="utf-8"))
