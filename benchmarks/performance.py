"""Fill the tables of docs/performance.md with measurements of this machine.

    python benchmarks/performance.py             # everything, on an idle machine: half an hour
    python benchmarks/performance.py --counts    # only the counts, without measurements

A table is between `<!-- begin: COMMAND -->` and `<!-- end -->`. The command is one of `mlpot benchmark ...`, which
is run in the root of the repository; `operations`; or `roofline`, made from the benchmark before it.
"""

import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from operation_counts import Part, operations

from mlpot.benchmark.models import preset_config
from mlpot.benchmark.report import circumstances, markdown_table, table_cells, title
from mlpot.benchmark.results import Report, read_report
from mlpot.benchmark.scaling import growths, speedups
from mlpot.config import PRESETS

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "performance.md"
BLOCK = re.compile(r"(<!-- begin: (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)
NEIGHBORS = 28.0


def main(
    counts_only: Annotated[bool, typer.Option("--counts", help="only what is computed, not measured")] = False,
) -> None:
    """Rewrite the page."""
    reports: list[Report] = []

    def fill(block: re.Match[str]) -> str:
        command = block[2]
        if command == "operations":
            return f"{block[1]}{operations_table()}\n{block[3]}"
        if counts_only:
            return block[0]
        if command == "roofline":
            return f"{block[1]}{roofline_table(reports[0])}\n{block[3]}"
        reports.append(run(command))
        return f"{block[1]}{benchmark_text(reports[-1], command)}\n{block[3]}"

    PAGE.write_text(BLOCK.sub(fill, PAGE.read_text()))


def run(command: str) -> Report:
    """Run `mlpot benchmark ...` and read its report."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.json"
        words = [sys.executable, "-W", "ignore", "-m", *shlex.split(command), "--json", str(file)]
        subprocess.run(words, cwd=ROOT, check=True)
        return read_report(file)


def benchmark_text(report: Report, command: str) -> str:
    """Table of a benchmark and the lines below it."""
    lines = [f"{title(report)}; us/atom/step:", "", markdown_table(table_cells(report)), ""]
    if "--scaling" in shlex.split(command):
        lines += [scaling_text(report), ""]
    return "\n".join([*lines, f"`{command}`, {report.created[:10]}. " + ". ".join(circumstances(report)) + "."])


def scaling_text(report: Report) -> str:
    """Exponents and gains as a list."""
    lines = [
        f"- {growth.name}: time of a step ~ atoms^{growth.exponent:.3f}; the cost of an atom stays within "
        f"{100 * growth.deviation:.0f} % of its mean"
        for growth in growths(report)
    ]
    for gain in speedups(report):
        cores = f"{gain.ranks} ranks" if gain.ranks > 1 else f"{gain.threads} threads"
        lines.append(f"- {gain.name}: {cores} are {gain.factor:.2f} times as fast as one core")
    return "\n".join(lines)


def operations_table() -> str:
    """Multiply-adds an atom and step, in thousands: needed, and executed by AVX-512 kernels."""
    counts = {preset: operations(preset_config(preset), NEIGHBORS) for preset in PRESETS}
    names = {part.name: None for count in counts.values() for part in count.parts}
    header = ["thousand multiply-adds", *(f"{preset}: {what}" for preset in PRESETS for what in ("needed", "executed"))]
    rows = []
    for name in names:
        parts = [{part.name: part for part in count.parts}.get(name, Part(name, 0.0, 0.0)) for count in counts.values()]
        rows.append([name, *(_thousands(work) for part in parts for work in (part.needed, part.executed))])
    total = [_thousands(work) for count in counts.values() for work in (count.needed, count.executed)]
    return markdown_table([header, *rows, ["together", *total]])


def roofline_table(report: Report) -> str:
    """Lower bound of the time by arithmetic, and the measured time, on one core."""
    peak = report.machine.gflops_per_core or float("nan")
    rows = [["preset", "floor, us/atom/step", "measured", "needed GFLOP/s", "executed GFLOP/s", "share of peak"]]
    for row in report.rows:
        if row.potential not in PRESETS or row.program != "LAMMPS" or not row.engine.startswith("native"):
            continue
        if (row.ranks, row.threads) != (1, 1):  # the peak is that of one core
            continue
        count = operations(preset_config(row.potential), report.neighbors)
        rates = [2e-3 * work / row.median for work in (count.needed, count.executed)]
        floor = 2e-3 * count.needed / peak
        rows.append(
            [
                row.potential,
                f"{floor:.3g}",
                f"{row.median:.3g}",
                *(f"{rate:.0f}" for rate in rates),
                f"{100 * rates[1] / peak:.0f} %",
            ]
        )
    return markdown_table(rows)


def _thousands(work: float) -> str:
    return f"{work / 1000:.1f}" if work else ""


if __name__ == "__main__":
    typer.run(main)
