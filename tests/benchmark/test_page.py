"""docs/performance.md: what is computed is up to date, and its tables can be measured again as they say."""

import shlex
from pathlib import Path

import pytest
import typer.main
from operation_counts import operations

from mlpot.benchmark.models import preset_config
from mlpot.benchmark.results import Machine, Report, Row
from mlpot.cli.app import app
from mlpot.config import PRESETS

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def page(load_script):
    return load_script("performance")


def blocks(page):
    return {block[2]: block[0] for block in page.BLOCK.finditer(page.PAGE.read_text())}


def test_counts_are_those_of_the_code(page):
    assert page.operations_table() in blocks(page)["operations"]


def test_commands_of_the_page_are_understood(page):
    commands = [command for command in blocks(page) if command.startswith("mlpot benchmark ")]
    assert len(commands) == 2
    for command in commands:
        known = typer.main.get_command(app).commands["benchmark"]
        context = known.make_context("benchmark", shlex.split(command)[2:])
        assert (ROOT / context.params["plot"]).is_file()


def test_every_table_is_filled(page):
    for command, text in blocks(page).items():
        lines = [line for line in text.splitlines() if line.startswith("|")]
        assert len(lines) >= 2 + len(PRESETS) - 1, command
        if command.startswith("mlpot"):
            assert f"`{command}`" in text


def test_roofline(page):
    """Twice the multiply-adds in the measured time, against the rate of the machine."""
    row = {"potential": "fast", "mlpot": True, "program": "LAMMPS", "engine": "native (avx512)", "precision": "mixed"}
    size = {"atoms": 4096, "ranks": 1, "threads": 1, "steps": 10, "trial": False, "list_builds": 0}
    measured = {"us_per_atom_step": [4.0], "bytes_per_atom": None}
    machine = Machine(processor="", cores=1, instructions="avx512", gflops_per_core=100.0, system="")
    report = Report.model_construct(rows=[Row(**row, **size, **measured)], machine=machine, neighbors=28.0)
    *_, line = page.roofline_table(report).splitlines()
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    count = operations(preset_config("fast"), 28.0)
    needed, executed = count.needed, count.executed
    assert cells[0] == "fast"
    assert float(cells[1]) == pytest.approx(2 * needed / 100e9 * 1e6, rel=5e-3)
    assert float(cells[2]) == 4.0
    assert float(cells[3]) == pytest.approx(2 * needed / 4e-6 / 1e9, abs=0.5)
    assert float(cells[4]) == pytest.approx(2 * executed / 4e-6 / 1e9, abs=0.5)
    assert cells[5] == f"{2 * executed / 4e-6 / 1e9:.0f} %"


def test_shares_of_the_time_add_up(page):
    text = page.PAGE.read_text()
    table = text.split("| | fast | accurate | max |\n")[1].split("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[1:]]
    for column in (1, 2, 3):
        assert sum(int(row[column] or 0) for row in rows) == pytest.approx(100, abs=2)
