"""Cells of the table of a benchmark, the same table in Markdown, and the plot."""

from collections.abc import Sequence
from pathlib import Path

from mlpot.benchmark.results import Report, Row
from mlpot.plotting import new_figure

TEXT_COLUMNS = ("potential", "program", "engine", "precision")
_NUMBERS = ("atoms", "ranks", "threads")
_COLORS = {"mlpot": "#1b6ca8", "LAMMPS": "#8a8a8a", "ASE": "#c8553d"}


def title(report: Report) -> str:
    """System, and what is the same in all rows."""
    first = report.rows[0]
    shared = [_count(first, name) for name in _NUMBERS if not _varies(report, name)]
    return ", ".join([report.system, *shared])


def table_cells(report: Report) -> list[list[str]]:
    """Header and rows of the table, without columns of equal entries.

    Parameters
    ----------
    report : Report

    Returns
    -------
    list of list of str
        Costs in us/atom/step.
    """
    varying = [name for name in _NUMBERS if _varies(report, name)]
    reference = (report.reference() or report.rows[0]).median
    memory = any(row.bytes_per_atom is not None for row in report.rows)
    header = [*TEXT_COLUMNS, *varying, "median", "range", "ratio", *(["kB/atom"] if memory else [])]
    rows = []
    for row in report.rows:
        samples = row.us_per_atom_step
        several = f"{_digits(min(samples))}-{_digits(max(samples))}" if len(samples) > 1 else ""
        costs = [_digits(row.median) + " (trial)" * row.trial, several]
        kilobytes = [_digits(row.bytes_per_atom / 1000) if row.bytes_per_atom is not None else ""] if memory else []
        names = [str(getattr(row, name)) for name in (*TEXT_COLUMNS, *varying)]
        rows.append([*names, *costs, _digits(row.median / reference), *kilobytes])
    return [header, *rows]


def markdown_table(cells: Sequence[Sequence[str]]) -> str:
    """Table in Markdown; the first row is the header.

    Parameters
    ----------
    cells : sequence of sequence of str

    Returns
    -------
    str
    """
    header, *body = cells
    lines = [header, ["---"] * len(header), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def circumstances(report: Report) -> list[str]:
    """Lines with the machine, the versions and the settings."""
    machine, versions = report.machine, report.versions
    instructions = f", {machine.instructions}" if machine.instructions else ""
    rate = machine.gflops_per_core
    product = f"; a float32 matrix product on one of them: {rate:.0f} GFLOP/s" if rate else ""
    return [
        f"{machine.processor}{instructions}, {machine.cores} cores{product}",
        ", ".join(f"{name} {version}" for name, version in versions.items()),
        f"{report.neighbors:.1f} neighbors within {report.cutoff:g} A, NVE from {report.temperature:g} K, "
        f"{report.timestep:g} fs, skin {report.skin:g} A; median and range of {report.rounds} interleaved "
        f"round{'s' if report.rounds != 1 else ''}",
    ]


def plot_report(report: Report, path: Path) -> None:
    """Draw the medians as bars on a logarithmic scale, with the range of the samples.

    Parameters
    ----------
    report : Report
    path : Path
        Its ending selects the format.
    """
    rows = sorted(report.rows, key=lambda row: row.median)
    figure = new_figure(8.0, 1.4 + 0.3 * len(rows))
    axis = figure.subplots()
    values = [row.median for row in rows]
    ranges = [
        [row.median - min(row.us_per_atom_step) for row in rows],
        [max(row.us_per_atom_step) - row.median for row in rows],
    ]
    colors = [_COLORS["mlpot" if row.mlpot else row.program] for row in rows]
    axis.barh(range(len(rows)), values, xerr=ranges, color=colors, height=0.7, error_kw={"lw": 1, "capsize": 2})
    for place, row in enumerate(rows):
        axis.annotate(
            _digits(row.median),
            (max(row.us_per_atom_step), place),
            (5, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    axis.set_yticks(range(len(rows)), [_label(row, report) for row in rows], fontsize=8)
    axis.invert_yaxis()
    axis.margins(y=0.02)
    axis.set_xscale("log")
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_xlim(0.5 * min(values), 2.5 * max(values))
    axis.set(xlabel="µs / atom / step", title=f"{title(report)}; {report.machine.processor}")
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(visible=True, axis="x", color="#e4e4e4", lw=0.6)
    axis.set_axisbelow(True)
    figure.savefig(path)


def _label(row: Row, report: Report) -> str:
    """Name of a bar: what differs between the rows of the same potential."""
    engine = [row.engine] if row.mlpot else []
    numbers = [_count(row, name) for name in _NUMBERS if _varies(report, name)]
    return ", ".join([row.potential, row.program, *engine, *numbers])


def _count(row: Row, name: str) -> str:
    number = getattr(row, name)
    return f"{number} {name.removesuffix('s') if number == 1 else name}"


def _varies(report: Report, name: str) -> bool:
    return len({getattr(row, name) for row in report.rows}) > 1


def _digits(value: float) -> str:
    """Three digits, as a plain number."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
