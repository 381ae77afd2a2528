"""Every allocation of the pair style may fail: LAMMPS ends with an error, or the results are right; it never hangs."""

import re
import subprocess
import sys
from pathlib import Path

import injected_failures
import numpy as np
import pytest
from committees import random_shallow, save_calibrated
from lammps_systems import boxed, write_data

from mlpot import lammps
from mlpot.lammps import installed_files

pytestmark = pytest.mark.lammps

SETUP = """
units metal
read_data start.data
pair_style mlpot
pair_coeff * * model.pt H O Si
"""
RUN = """
compute u all mlpot/uncertainty
fix guard all mlpot/guard 1 max_sigma 1e-6 action dump file uncertain.xyz
fix 1 all nve
thermo 1
thermo_style custom step pe c_u c_u[1]
thermo_modify format float %.17g
run 2
"""
SECONDS = 60


@pytest.fixture(scope="module")
def injected(tmp_path_factory):
    return injected_failures.build(tmp_path_factory.mktemp("injected"))


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """Folder with a structure, a committee of two layers, and inputs."""
    folder = tmp_path_factory.mktemp("start")
    save_calibrated(folder / "model.pt", random_shallow(3, n_layers=2, lmax=1, n_channels=3, n_radial=3))
    write_data(folder / "start.data", boxed(8.0 * np.eye(3), 30, np.random.default_rng(1)))
    for name, text in (("in.setup", SETUP), ("in.run", RUN), ("in.lammps", SETUP + RUN)):
        (folder / name).write_text(text)
    return folder


def environment(injected):
    return lammps.environment(1) | {"LD_PRELOAD": str(injected), "MLPOT_ALLOCATIONS_OF": "/mlpotplugin"}


def one_process(injected, start, most):
    """Allocations of the setup and of the run fail in turn, in one process: the instance of LAMMPS survives them."""
    command = [sys.executable, Path(__file__).with_name("failing_allocations.py"), injected, str(most)]
    done = subprocess.run(
        command, cwd=start, env=environment(injected), capture_output=True, text=True, timeout=10 * SECONDS, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    failures = re.findall(r"in.\w+: (\d+) failures in \d+ allocations", done.stdout)
    assert [int(number) for number in failures] == [2 * most, 2 * most]


def two_ranks(injected, start, rank, failing):
    """Status and output, with allocations failing on one rank."""
    program = [str(installed_files.program()), "-in", "in.lammps", "-log", "none"]
    command = [str(installed_files.mpiexec())]
    for number in range(2):
        setting = ["-env", "MLPOT_FAILING_ALLOCATIONS", failing] if number == rank else []
        command += [*([":"] if number else []), "-n", "1", *setting, *program]
    with subprocess.Popen(
        command, cwd=start, env=environment(injected), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            output, _ = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.terminate()  # mpiexec ends its ranks
            raise
    return process.returncode, output


def thermo(output):
    return re.findall(r"^ +\d+ +-\d.*$", output, re.MULTILINE)


def failing_ranks(injected, start, most, ranks, lasts):
    """Allocations of one rank fail in turn: those of the run more densely than the many that read the model."""
    status, output = two_ranks(injected, start, 1, "0 -1")
    assert status == 0, output
    expected = thermo(output)
    assert len(expected) == 3
    (total,) = map(int, re.findall(r"(\d+) allocations counted", output))
    for first in total - np.geomspace(total / 2, total / 50, most).astype(int):
        for rank in ranks:
            for last in lasts:
                status, output = two_ranks(injected, start, rank, f"{first} {last or first}")
                assert status in (0, 1), output
                assert thermo(output) == expected[: len(thermo(output))]
                if status == 0:
                    assert len(thermo(output)) == 3
                else:
                    assert "not enough memory" in output, output


def test_an_allocation_fails(injected, start):
    one_process(injected, start, most=6)


def test_an_allocation_fails_on_one_rank(injected, start):
    failing_ranks(injected, start, 2, [1], [None])


@pytest.mark.slow
def test_many_allocations_fail(injected, start):
    one_process(injected, start, most=150)


@pytest.mark.slow
def test_many_allocations_fail_on_one_rank(injected, start):
    failing_ranks(injected, start, 8, [0, 1], [None, sys.maxsize])
