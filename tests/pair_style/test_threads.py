"""Threads of the engine in LAMMPS: those that cannot be created, and more than there are processors."""

import os
import subprocess

import injected_failures
import numpy as np
import pytest
from lammps_systems import boxed, write_data

from mlpot import lammps

pytestmark = pytest.mark.lammps

SCRIPT = """
units metal
read_data start.data
pair_style mlpot
pair_coeff * * "{model}" H O Si
thermo_modify format float %.17g
run 0
"""


def run(folder, model, ranks, threads, environment=None, script=SCRIPT):
    """Thermodynamic output, a list of fields for each line, and log of a run; `environment` is that of the ranks."""
    write_data(folder / "start.data", boxed(6.0 * np.eye(3), 6, np.random.default_rng(1)))
    (folder / "in.lammps").write_text(script.format(model=model))
    variables = lammps.environment(threads) | (environment or {})
    command = lammps.command(folder / "in.lammps", ranks=ranks)
    done = subprocess.run(command, cwd=folder, env=variables, check=False, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    headers = [n for n, line in enumerate(lines) if line[:1] == ["Step"]]
    return [line for n in headers for line in lines[n + 1 : n + 3] if line[0].isdigit()], done.stdout


@pytest.mark.parametrize("ranks", [1, 2])
def test_threads_that_cannot_be_created(tmp_path, deep_model_file, ranks):
    failing = {"LD_PRELOAD": str(injected_failures.build(tmp_path)), "MLPOT_MOST_THREADS": "0"}
    expected, log = run(tmp_path, deep_model_file, ranks, threads=3)
    assert "the system refuses" not in log
    got, log = run(tmp_path, deep_model_file, ranks, threads=3, environment=failing)
    assert log.count("Pair style mlpot runs on 1 of 3 threads: the system refuses to create more") == 1
    assert got == expected


def test_more_threads_than_processors(tmp_path, model_file):
    processors = len(os.sched_getaffinity(0))
    _, log = run(tmp_path, model_file, ranks=1, threads=processors)
    assert "processors of a node" not in log
    for ranks, threads in ((1, 2 * processors), (2, processors)):
        _, log = run(tmp_path, model_file, ranks, threads)
        assert log.count(f"{2 * processors} threads of all ranks share {processors} processors of a node") == 1


CHANGES = """
units metal
lattice diamond 5.43
region box block 0 6 0 2 0 2
create_box 3 box
create_atoms 3 box
mass * 28.0
pair_style mlpot
pair_coeff * * "{model}" H O Si
velocity all create 600 1
fix 1 all nve
neighbor 0.3 bin
thermo_modify format float %.17g
run 30
displace_atoms all move 2.7 1.1 0.4
run 0
run 3 pre no
region hole sphere 3 1 1 0.5
delete_atoms region hole
run 0
set atom 1*40 type 2
run 0
"""


def test_lists_that_change(tmp_path, deep_model_file):
    """The atoms that a thread adds to are found again when the neighbor list or the atoms change."""
    energies = []
    for threads in (1, 3):
        lines, _ = run(tmp_path, deep_model_file, 1, threads, script=CHANGES)
        energies.append([float(line[2]) for line in lines])
    assert len(energies[0]) == 7
    np.testing.assert_allclose(energies[1], energies[0], rtol=1e-8)
