"""Inputs of LAMMPS for the styles of a benchmark: they run, and their last loop is read."""

import pytest

from mlpot import lammps
from mlpot.benchmark.styles import input_script, style_commands
from mlpot.benchmark.systems import crystal, write_lammps
from mlpot.benchmark.worker import read_loop
from mlpot.errors import EngineError


@pytest.mark.lammps
@pytest.mark.parametrize("name", ["sw", "tersoff", "snap-2j8", "snap-2j6"])
@pytest.mark.parametrize("omp_threads", [1, 2])
def test_styles_run_and_the_last_loop_is_read(tmp_path, name, omp_threads):
    """The first run is the warm-up; both programs get the same atoms."""
    system = crystal(("Si",), 64)
    write_lammps(system, tmp_path / "si.data")
    pair = style_commands(name, system.elements, tmp_path)
    script = input_script(pair, tmp_path / "si.data", system.atoms.pbc, 3, 2, omp_threads)
    result = lammps.run(script, ranks=1, threads=omp_threads, directory=tmp_path)
    assert "for 3 steps with 64 atoms" in result.output
    (last,) = [line for line in result.output.splitlines() if "for 2 steps with 64 atoms" in line]
    answer = read_loop(result.output)
    assert answer["seconds_per_step"] == float(last.split()[3]) / 2
    assert answer["engine"] == ""
    assert answer["version"].startswith("2")
    assert result.thermo[0]["Temp"][0] == pytest.approx(300.0)
    total = [energy for table in result.thermo for energy in table["TotEng"]]
    assert max(total) - min(total) < 0.02  # eV, of 64 atoms: the timestep is small enough


def test_two_elements_are_no_matter_for_snap_but_for_tersoff(tmp_path):
    pair = style_commands("snap-2j6", ("Ga", "As"), tmp_path)
    assert pair[1].endswith('.snapparam" Ga As')
    assert (tmp_path / "6.snapcoeff").read_text().splitlines()[2] == "2 31"
    with pytest.raises(EngineError, match="those of Si, the system has Ga As"):
        style_commands("tersoff", ("Ga", "As"), tmp_path)
