"""The whole command: LAMMPS and ASE run, what was measured is in table, JSON and plot."""

import io
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from ase.build import bulk
from rich.console import Console

from mlpot.benchmark.cases import make_plan
from mlpot.benchmark.models import untrained_model
from mlpot.benchmark.peers import PEERS
from mlpot.benchmark.report import markdown_table, table_cells
from mlpot.benchmark.results import Report, read_report
from mlpot.benchmark.settings import Settings
from mlpot.cli.benchmark import INTERRUPTED, run_benchmark
from mlpot.model_file.manifest import read_manifest
from mlpot.model_file.torchscript import load_model

pytestmark = pytest.mark.lammps


def test_every_case_is_measured_in_every_round(finished):
    assert finished.status == 0
    rows = finished.report.rows
    assert [(row.potential, row.program) for row in rows] == [
        ("fast", "LAMMPS"),
        ("fast", "ASE"),
        ("sw", "LAMMPS"),
        ("snap 2J=6", "LAMMPS"),
    ]
    for row in rows:
        assert (row.atoms, row.ranks, row.threads, row.steps, row.trial) == (64, 1, 1, 2, False)
        (sample,) = row.us_per_atom_step
        assert 0.01 < sample < 1e6
        assert row.bytes_per_atom is None
    assert {row.engine.partition(" ")[0] for row in rows if row.mlpot} == {"native"}
    assert [row.precision for row in rows] == ["mixed", "mixed", "double", "double"]


def test_json_round_trip(finished, tmp_path):
    again = Report.model_validate_json(finished.report.model_dump_json())
    assert again == finished.report
    assert Report.model_json_schema()["required"]


def test_output_names_the_measurement_and_the_machine(finished):
    report = finished.report
    assert report.machine.processor in finished.output
    assert report.machine.instructions in finished.output
    assert report.machine.instructions in ("avx512", "avx2", "baseline")
    assert f"LAMMPS {report.versions['LAMMPS']}" in finished.output
    assert "28.0 neighbors within 5 A" in finished.output
    assert "1 interleaved round" in finished.output
    assert "diamond Si, 64 atoms, 1 rank, 1 thread" in finished.output
    for row in report.rows:
        assert row.potential in finished.output
    assert finished.plot.startswith(b"\x89PNG")


def test_ratios_are_those_to_the_first_row_of_mlpot(finished):
    header, *rows = table_cells(finished.report)
    ratios = [float(row[header.index("ratio")]) for row in rows]
    reference = finished.report.rows[0].median
    assert ratios == pytest.approx([row.median / reference for row in finished.report.rows], rel=5e-3)
    lines = markdown_table([header, *rows]).splitlines()
    assert len(lines) == 2 + len(rows)
    assert {line.count("|") for line in lines} == {len(header) + 1}


def test_a_peer_that_is_not_installed_is_named(tmp_path):
    missing = [name for name, peer in PEERS.items() if peer.version() is None]
    if not missing:
        pytest.skip("all peers are installed here")
    plan = make_plan(Settings(presets=("fast",), peers=missing, engines=("native",)), tmp_path)
    assert {skipped.reason for skipped in plan.skipped} == {"not installed"}
    assert [skipped.name for skipped in plan.skipped] == list(dict.fromkeys(PEERS[n].distribution for n in missing))
    assert all(case.mlpot for case in plan.cases)


def test_peers_for_silicon_are_left_out_elsewhere(tmp_path):
    plan = make_plan(Settings(presets=("fast",), elements=("H", "O"), peers=("tersoff",)), tmp_path)
    (skipped,) = [skipped for skipped in plan.skipped if skipped.name == "tersoff"]
    assert "parameters are those of Si, the system has H O" in skipped.reason


def test_scaling_measures_sizes_ranks_and_memory(tmp_path):
    console = Console(file=io.StringIO(), record=True, width=120)
    settings = Settings(scaling=True, presets=("fast",), atoms=(64, 4096), rounds=2, seconds=1e-6, memory=True)
    report_file = tmp_path / "report.json"
    assert run_benchmark(settings, json_path=report_file, plot=tmp_path / "plot.png", console=console) == 0
    rows = read_report(report_file).rows
    assert [(row.atoms, row.ranks, row.threads) for row in rows] == [
        (64, 1, 1),
        (4096, 1, 1),
        (4096, 2, 1),
        (4096, 1, 2),
    ]
    assert [len(row.us_per_atom_step) for row in rows] == [2, 2, 2, 2]
    for row in rows[1:]:
        assert 300 < row.bytes_per_atom < 5000  # positions, forces and neighbor lists; nothing of the size of edges
    assert "time of a step ~ atoms^" in console.export_text()
    assert (tmp_path / "plot.png").is_file()


def test_a_case_that_fails_is_named_and_the_others_go_on(tmp_path, model_file):
    """The model has the elements Si, O and H, and the input of LAMMPS names them."""
    bulk("GaAs", "zincblende", a=5.65, cubic=True).write(tmp_path / "gaas.traj")
    console = Console(file=io.StringIO(), record=True, width=300)
    structure, models = tmp_path / "gaas.traj", (str(model_file),)
    settings = Settings(scaling=True, models=models, structure=structure, peers=("snap-2j6",), rounds=1, seconds=1e-6)
    assert run_benchmark(settings, json_path=tmp_path / "report.json", console=console) == 1
    report = read_report(tmp_path / "report.json")
    assert {failed.name for failed in report.failed} == {f"{model_file} (native), LAMMPS"}
    assert "Ga" in report.failed[0].reason
    assert {row.potential for row in report.rows} == {"snap 2J=6"}
    assert f"FAILED: {report.failed[0].name}: " in console.export_text()


def test_untrained_models_leave_random_states_alone(tmp_path):
    before = torch.get_rng_state(), random.getstate()
    path = untrained_model("accurate", ["H", "O"], 40.0, tmp_path)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    manifest = read_manifest(path)
    assert (manifest.elements, manifest.n_layers, manifest.precision) == (["H", "O"], 2, "mixed")
    assert manifest.average_neighbors == 40.0
    load_model(path)  # runs its own self-test structure


def test_interruption_leaves_what_was_measured_and_no_process(tmp_path):
    command = [sys.executable, "-W", "ignore", "-m", "mlpot", "benchmark", "--scaling", "--preset", "fast"]
    options = ["--atoms", "64", "--ranks", "1", "--threads", "1", "--rounds", "100000", "--seconds", "0.05"]
    target = tmp_path / "report.json"
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [*command, *options, "--json", str(target)], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            wait_until(lambda: target.is_file() and read_report(target).rounds >= 2)
            process.send_signal(signal.SIGINT)
            output = process.communicate(timeout=60)[0]
        finally:
            process.kill()
    assert process.returncode == INTERRUPTED
    report = read_report(target)
    assert report.interrupted
    assert len(report.rows[0].us_per_atom_step) >= 2
    assert "interrupted" in output
    assert "fast" in output
    wait_until(lambda: not processes_that_name(tmp_path))
    assert temporary_files(tmp_path) == []


LONG_RUN = """
import sys
from pathlib import Path
from mlpot.benchmark.process import measure
from mlpot.benchmark.styles import input_script, style_commands
from mlpot.benchmark.systems import crystal, write_lammps

folder = Path(sys.argv[1])
system = crystal(("Si",), 512)
write_lammps(system, folder / "si.data")
script = input_script(style_commands("sw", ("Si",), folder), folder / "si.data", (True, True, True), 1, 10**9)
task = {"program": "LAMMPS", "script": script, "ranks": int(sys.argv[2]), "threads": 1, "folder": str(folder)}
measure(task, threads=1)
"""


@pytest.mark.parametrize("ranks", [1, 2])
def test_all_ranks_end_when_a_measurement_is_interrupted(tmp_path, ranks):
    command = [sys.executable, "-W", "ignore", "-c", LONG_RUN, str(tmp_path), str(ranks)]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            # well into the run: one that still writes ends by itself, when nobody reads
            wait_until(lambda: sum(used > 0.5 for used in lammps_seconds(tmp_path)) == ranks)
            process.send_signal(signal.SIGINT)
            complaint = process.communicate(timeout=60)[1]
        finally:
            process.kill()
    assert "KeyboardInterrupt" in complaint
    wait_until(lambda: not processes_that_name(tmp_path))
    assert temporary_files(tmp_path) == []


def temporary_files(folder):
    return [file.name for file in folder.iterdir() if file.name.startswith(("mlpot", "tmp"))]


def wait_until(condition, seconds=120.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def lammps_seconds(folder):
    """Processor time of every LAMMPS with a folder in its command line."""
    ticks = os.sysconf("SC_CLK_TCK")
    found = [pid for pid, words in processes_that_name(folder).items() if words[0].endswith("/lmp")]
    stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in found]
    return [int(stat[11]) / ticks for stat in stats]


def processes_that_name(folder):
    """Number -> words of the command line of the processes with a folder in it."""
    found = {}
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_bytes().decode(errors="replace").split("\0")
        except OSError:  # ended meanwhile
            continue
        if any(str(folder) in word for word in words):
            found[file.parent.name] = words
    return found
